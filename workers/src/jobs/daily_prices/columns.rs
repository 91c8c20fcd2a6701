//! The columns of prices and the arguments of their jobs.

use crate::job::{Arguments, Code, JobError};
use crate::lake::frames::SortKey;
use crate::lake::publish::WriteSettings;
use crate::lake::read::{CORRUPT_COLUMN, Declared, Format, Kind, ReadSettings};
use crate::lake::{Codec, FileSizing};

/// The known columns of a raw record, in the order they are written.
///
/// Source: pipelines.md 1.2 and 1.5, step 4.
pub const KNOWN: &[Declared] = &[
    Declared { name: "symbol", kind: Kind::Text },
    Declared { name: "timestamp", kind: Kind::Instant },
    Declared { name: "open", kind: Kind::Number },
    Declared { name: "high", kind: Kind::Number },
    Declared { name: "low", kind: Kind::Number },
    Declared { name: "close", kind: Kind::Number },
    Declared { name: "adjusted_close", kind: Kind::Number },
    Declared { name: "volume", kind: Kind::Number },
];

/// The order of compacted rows; those that are equal in it are in the order of their source objects.
///
/// Source: pipelines.md 1.5, step 7.
pub(super) const KEY: SortKey = SortKey { text: "symbol", instant: Some("timestamp") };

/// Columns the transform adds when it adjusts prices.
pub const ADJUSTMENT: &[&str] = &["raw_open", "raw_high", "raw_low", "raw_close", "raw_volume", "adjustment_factor"];

/// The arguments a preflight hands to every job of the chain; each job takes what it needs.
///
/// Source: pipelines.md 1.4, `glue_args`.
pub(super) const ARGUMENTS: &[&str] = &[
    "environment",
    "domain",
    "table_name",
    "raw_bucket",
    "raw_prefix",
    "compacted_bucket",
    "compacted_prefix",
    "curated_bucket",
    "curated_prefix",
    "schema_fingerprint_s3_uri",
    "codec",
    "target_file_mb",
    "expected_min_records",
    "max_critical_error_rate",
    "ds",
    "file_type",
    "interval",
    "data_source",
    "output_partitions",
    "adjust_prices",
];

/// How raw objects are read. The partition's own column lives in the path, so a raw `ds` is not carried over.
pub(super) fn read_settings(arguments: &Arguments) -> Result<ReadSettings, JobError> {
    let file_type = arguments.text("file_type", "json");
    let format = Format::parse(file_type).ok_or_else(|| {
        let message = format!("--file_type is `{file_type}`; give json, csv or parquet");
        JobError::new(Code::UnsupportedFileType, message)
    })?;
    Ok(ReadSettings { declared: KNOWN, format, ignored: &["ds"] })
}

/// How files are written.
pub(super) fn write_settings(arguments: &Arguments) -> Result<WriteSettings, JobError> {
    let files_max = arguments.number("output_partitions", 4)?;
    if files_max == 0 || files_max > 10_000 {
        return Err(JobError::arguments(format!("--output_partitions is `{files_max}`; give 1 to 10000")));
    }
    let target_file_mb = arguments.number("target_file_mb", 256)?;
    Ok(WriteSettings {
        codec: arguments.number("codec", Codec::Zstd)?,
        sizing: FileSizing { target_file_mb, files_max },
    })
}

/// Whether a column is one the raw data brought beside the known ones.
pub(super) fn is_extra(name: &str) -> bool {
    name != CORRUPT_COLUMN
        && name != "ds"
        && KNOWN.iter().all(|known| known.name != name)
        && !ADJUSTMENT.contains(&name)
}
