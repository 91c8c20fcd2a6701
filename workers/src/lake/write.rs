//! Rows to Parquet bytes.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use polars::error::PolarsResult;
use polars::prelude::{Column, DataFrame, ParquetCompression, ParquetWriter, StatisticsOptions};

use super::Error;
use super::frames::rows_within;

/// Rows encoded to learn how many bytes a row takes.
pub(super) const SAMPLE_ROWS: usize = 65_536;
/// Fewer if they take more than this.
pub(super) const SAMPLE_BYTES: u64 = 64 << 20;
/// Rows per row group: small enough to skip by, large enough to compress well.
const ROW_GROUP_ROWS: usize = 262_144;
/// A row group of wide rows is smaller: all of it is in memory while it is encoded.
pub(super) const ROW_GROUP_BYTES: u64 = 128 << 20;
/// What a text takes, about, for the width of a row.
const TEXT_BYTES: usize = 32;
/// Files are never aimed smaller than this.
const TARGET_FILE_MB_MIN: u64 = 32;

/// The compression of data pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Zstandard, the default.
    Zstd,
    /// Snappy.
    Snappy,
    /// Gzip.
    Gzip,
    /// LZ4 (raw).
    Lz4,
    /// None.
    Uncompressed,
}

impl FromStr for Codec {
    type Err = String;

    fn from_str(text: &str) -> Result<Codec, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "zstd" => Codec::Zstd,
            "snappy" => Codec::Snappy,
            "gzip" => Codec::Gzip,
            "lz4" => Codec::Lz4,
            "none" | "uncompressed" => Codec::Uncompressed,
            _ => return Err(format!("`{text}` is no codec; give zstd, snappy, gzip, lz4 or none")),
        })
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Codec::Zstd => "zstd",
            Codec::Snappy => "snappy",
            Codec::Gzip => "gzip",
            Codec::Lz4 => "lz4",
            Codec::Uncompressed => "none",
        })
    }
}

impl Codec {
    fn compression(self) -> ParquetCompression {
        match self {
            Codec::Zstd => ParquetCompression::Zstd(None),
            Codec::Snappy => ParquetCompression::Snappy,
            Codec::Gzip => ParquetCompression::Gzip(None),
            Codec::Lz4 => ParquetCompression::Lz4Raw,
            Codec::Uncompressed => ParquetCompression::Uncompressed,
        }
    }
}

/// How many files a partition gets.
#[derive(Clone, Copy, Debug)]
pub struct FileSizing {
    /// Aimed size of a file in MiB; at least 32 is used.
    pub target_file_mb: u64,
    /// The most files; at least 1 is used.
    pub files_max: u64,
}

impl FileSizing {
    /// `clamp(ceil(estimated bytes / target), 1, files_max)`; depends on rows and codec only.
    ///
    /// # Errors
    /// [`Error::Encode`].
    ///
    /// Source: pipelines.md 1.5, step 7.
    pub fn files(self, uri: &str, frame: &DataFrame, codec: Codec) -> Result<usize, Error> {
        let sample = frame.slice(0, SAMPLE_ROWS);
        let rows = rows_within(&sample, SAMPLE_BYTES).max(1);
        self.files_by_sample(uri, &sample.slice(0, rows), frame.height() as u64, codec)
    }

    /// The same for so many rows of which the first are known.
    pub(super) fn files_by_sample(
        self,
        uri: &str,
        sample: &DataFrame,
        rows: u64,
        codec: Codec,
    ) -> Result<usize, Error> {
        if self.files_max <= 1 || sample.height() == 0 {
            return Ok(1);
        }
        let bytes = encode_parquet(uri, sample, codec)?.len() as u128;
        let estimate = bytes * u128::from(rows) / sample.height() as u128;
        Ok(self.count(estimate, rows))
    }

    /// Files for so many bytes of so many rows.
    pub(super) fn count(self, bytes: u128, rows: u64) -> usize {
        let target = u128::from(self.target_file_mb.max(TARGET_FILE_MB_MIN)) << 20;
        let files = bytes.div_ceil(target).min(u128::from(rows)).clamp(1, u128::from(self.files_max.max(1)));
        usize::try_from(files).unwrap_or(usize::MAX)
    }
}

/// The rows as one Parquet file. `uri` is where it will be, for errors.
///
/// # Errors
/// [`Error::Encode`].
pub fn encode_parquet(uri: &str, frame: &DataFrame, codec: Codec) -> Result<Vec<u8>, Error> {
    let mut frame = frame.clone();
    frame.rechunk_mut();
    encode(&frame, codec).map_err(|error| Error::Encode { uri: uri.to_owned(), reason: error.to_string() })
}

fn encode(frame: &DataFrame, codec: Codec) -> PolarsResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = parquet_writer(&mut bytes, codec).batched(frame.schema())?;
    let mut at = 0;
    for group in row_groups(frame, frame.height() as u64) {
        let end = at + group;
        while at < end {
            let rest = frame.slice(at as i64, end - at);
            let rows = rows_within(&rest, ROW_GROUP_BYTES).max(1);
            writer.write_batch(&rest.slice(0, rows))?;
            at += rows;
        }
    }
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}

/// How published files are written, but for their row groups.
pub(super) fn parquet_writer<W: Write>(to: W, codec: Codec) -> ParquetWriter<W> {
    ParquetWriter::new(to).with_compression(codec.compression()).with_statistics(StatisticsOptions::full())
}

/// Rows per row group, by the columns alone.
fn row_group_rows(columns: &DataFrame) -> usize {
    let width = |column: &Column| if column.dtype().is_primitive_numeric() { 8 } else { TEXT_BYTES };
    let row_bytes: usize = columns.columns().iter().map(width).sum();
    (ROW_GROUP_BYTES as usize / row_bytes.max(1)).clamp(1_024, ROW_GROUP_ROWS)
}

/// The rows of each row group of a file of so many rows with these columns: as many as a frame of ours is cut into by polars. A
/// group whose texts are so long that it takes more than [`ROW_GROUP_BYTES`] is cut once more.
pub(super) fn row_groups(columns: &DataFrame, rows: u64) -> Vec<usize> {
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let groups = (rows / row_group_rows(columns)).max(1);
    let each = rows / groups;
    let mut sizes = vec![each; groups];
    if let Some(last) = sizes.last_mut() {
        *last += rows - each * groups;
    }
    sizes.retain(|rows| *rows > 0);
    sizes
}

/// Slice `index` of `files` near-equal ones, in row order.
pub(super) fn file_slice(frame: &DataFrame, index: usize, files: usize) -> DataFrame {
    let (start, end) = slice_bounds(frame.height() as u64, index, files);
    frame.slice(start as i64, (end - start) as usize)
}

/// The first row of slice `index`, and the first after it.
pub(super) fn slice_bounds(rows: u64, index: usize, files: usize) -> (u64, u64) {
    let bound = |i: usize| (u128::from(rows) * i as u128 / files as u128) as u64;
    (bound(index), bound(index + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::df;

    #[test]
    fn the_number_of_files_follows_size_within_its_bounds() {
        let frame = df!("x" => (0..100_000i64).collect::<Vec<_>>()).unwrap();
        let files = |target_file_mb, files_max| {
            FileSizing { target_file_mb, files_max }.files("x", &frame, Codec::Uncompressed).unwrap()
        };
        assert_eq!(files(256, 4), 1, "small data make one file");
        assert_eq!(files(0, 4), 1, "the target is never below 32 MiB");
        assert_eq!(files(256, 0), 1);
    }

    #[test]
    fn slices_cover_every_row_once_and_in_order() {
        let frame = df!("x" => (0..10i64).collect::<Vec<_>>()).unwrap();
        let mut seen = Vec::new();
        for index in 0..4 {
            seen.extend(file_slice(&frame, index, 4).column("x").unwrap().i64().unwrap().into_no_null_iter());
        }
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn codecs_are_named_as_in_the_configuration() {
        for name in ["zstd", "snappy", "gzip", "lz4", "none"] {
            let codec: Codec = name.parse().unwrap();
            assert_eq!(codec.to_string(), name);
            let frame = df!("x" => [1.5, 2.5]).unwrap();
            assert!(encode_parquet("x", &frame, codec).unwrap().starts_with(b"PAR1"), "{name}");
        }
        assert!("bzip2".parse::<Codec>().unwrap_err().contains("give zstd"));
    }
}
