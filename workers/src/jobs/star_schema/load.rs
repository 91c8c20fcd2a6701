//! CSV files → silver tables, to try the pipeline or to feed it from exports.
//!
//! `<source>/<table>.csv` (or `.csv.gz`) with a header becomes `<SILVER_BASE>/<table>/event_date=…/`, every column text as it
//! came; a column without any value is of the null type, as engines write it. `event_date` is the column of that name or
//! else the date of `ts`, `created_at` or `updated_at`, or 1900-01-01. Dates that occur are replaced, others stay.
//!
//! Rows are neither deduplicated nor refused for what they hold: gold does not rely on clean silver, and its dirt is what
//! people want to see handled. Only silver's null words become null.
//!
//! Source: pipelines.md 3.1.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use futures::FutureExt;
use futures::future::BoxFuture;
use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, Series};

use super::places::folder;
use super::silver::{PARTITION_KEY, SILVER, SilverTable};
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError, parse_date};
use crate::lake::publish::{WriteSettings, publish};
use crate::lake::read::{BoundedCsv, Budget, parse_instant};
use crate::lake::{Codec, FileSizing, Folder, Partition, hive_name};

/// The job `star-schema-silver-load`.
pub const SILVER_LOAD: JobDefinition = JobDefinition {
    name: "star-schema-silver-load",
    summary: "Puts events, users and transactions of CSV files into the silver layout of the star schema.",
    arguments: &["source", "SILVER_BASE", "environment"],
    run: start,
};

/// The text of a file; a larger one is split by whoever exports it.
const CSV_BYTES_MAX: u64 = 1 << 30;
/// Text that stands for null. Source: pipelines.md 3.1, "Silver's own rules".
const NULL_WORDS: [&str; 6] = ["", "NULL", "N/A", "none", "None", "NaN"];
/// The date of rows that tell none.
const DATE_UNKNOWN: &str = "1900-01-01";
const SETTINGS: WriteSettings =
    WriteSettings { codec: Codec::Snappy, sizing: FileSizing { target_file_mb: 128, files_max: 1 } };

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let source = folder(&context.lake, &context.arguments, "source")?;
    let base = folder(&context.lake, &context.arguments, "SILVER_BASE")?;
    let budget = Arc::new(Budget::from_env()?);
    let mut inputs = Vec::new();
    for table in SILVER {
        match fetch(&source, table).await? {
            Some((name, bytes)) => {
                let uri = source.uri_of(&name);
                let budget = budget.clone();
                inputs.push((table, context.blocking(move || parse(&uri, &name, &bytes, table, &budget)).await?));
            }
            None => context.warn(format!("`{}` has no {}.csv; the table stays as it is", source.uri(), table.name)),
        }
    }
    if inputs.is_empty() {
        let message = format!("`{}` holds none of events.csv, users.csv and transactions.csv", source.uri());
        return Err(JobError::new(Code::NoInputData, message));
    }
    let (mut rows, mut partitions) = (0, 0);
    for (table, input) in inputs {
        context.metric(&format!("{}_rows", table.name), input.height);
        rows += input.height;
        let silver = base.child(table.name);
        for (date, frame) in input.into_frames(table)? {
            let partition = Partition::new(silver.clone(), &hive_name(PARTITION_KEY, Some(&date)));
            let lock = context.lock(&partition).await?;
            let success = publish(&partition, frame, SETTINGS, &context.run_id, &lock).await?;
            context.output(&partition, &success);
            partitions += 1;
        }
    }
    context.metric("rows", rows);
    Ok(Finish::succeeded(format!("loaded {rows} rows into {partitions} partitions of `{}`", base.uri())))
}

/// The file of a table, plain or compressed.
async fn fetch(source: &Folder, table: &SilverTable) -> Result<Option<(String, Bytes)>, JobError> {
    for suffix in ["csv", "csv.gz"] {
        let name = format!("{}.{suffix}", table.name);
        if let Some(bytes) = source.get_optional(&name).await? {
            return Ok(Some((name, bytes)));
        }
    }
    Ok(None)
}

/// The rows of a file by the date they belong to.
#[derive(Debug)]
struct Input {
    height: usize,
    /// Per date: the values of each column of the table, in order.
    dates: BTreeMap<String, Vec<Vec<Option<String>>>>,
    /// Whether a column has a value anywhere.
    used: Vec<bool>,
}

/// A value's place in its column.
const VALUE_BYTES: usize = size_of::<Option<String>>();
/// What the smallest text takes besides itself.
const STRING_BYTES: usize = 16;
/// Places that each column of a new date begins with, and the column itself.
const DATE_VALUES: usize = 5;

fn parse(uri: &str, name: &str, bytes: &[u8], table: &SilverTable, budget: &Budget) -> Result<Input, JobError> {
    let refuse = |reason: String| {
        JobError::new(Code::SchemaValidationFailed, format!("`{uri}` cannot be loaded: {reason}; nothing was written"))
    };
    let plain: Box<dyn Read + '_> = match name.ends_with(".gz") {
        true => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        false => Box::new(bytes),
    };
    // Field counts that differ are an error of the reader, which names the line.
    let mut reader = ::csv::Reader::from_reader(BoundedCsv::new(plain, CSV_BYTES_MAX));
    let header = reader.headers().map_err(|error| refuse(error.to_string()))?.clone();
    let position = |wanted: &str| header.iter().position(|found| found.trim() == wanted);
    let columns: Vec<Option<usize>> = table.columns.iter().map(|column| position(&column.name)).collect();
    if columns.iter().all(Option::is_none) {
        return Err(refuse(format!("its header names no column of {}", table.name)));
    }
    let (date_at, newest_at) = (position(PARTITION_KEY), position(table.newest_by));
    let mut input = Input { height: 0, dates: BTreeMap::new(), used: vec![false; columns.len()] };
    for record in reader.records() {
        let record = record.map_err(|error| refuse(error.to_string()))?;
        let value = |at: Option<usize>| at.and_then(|at| record.get(at)).filter(|text| !is_null(text));
        let date = value(date_at)
            .and_then(parse_date)
            .map(|date| date.to_string())
            .or_else(|| value(newest_at).and_then(date_of))
            .unwrap_or_else(|| DATE_UNKNOWN.to_owned());
        let mut row_bytes = (VALUE_BYTES + STRING_BYTES) * columns.len() + record.as_slice().len();
        if !input.dates.contains_key(&date) {
            row_bytes += DATE_VALUES * VALUE_BYTES * columns.len();
        }
        budget.spend(uri, 1, row_bytes as u64)?;
        let rows = input.dates.entry(date).or_insert_with(|| vec![Vec::new(); columns.len()]);
        for ((at, values), used) in columns.iter().zip(rows).zip(&mut input.used) {
            let value = value(*at).map(str::to_owned);
            *used |= value.is_some();
            values.push(value);
        }
        input.height += 1;
    }
    Ok(input)
}

fn is_null(text: &str) -> bool {
    NULL_WORDS.contains(&text.trim())
}

/// The UTC date of a timestamp's text.
fn date_of(text: &str) -> Option<String> {
    let at = DateTime::from_timestamp_micros(parse_instant(text.trim())?)?;
    Some(at.date_naive().to_string())
}

impl Input {
    /// A frame per date; a column that no row of the file has a value for is of the null type.
    fn into_frames(self, table: &SilverTable) -> Result<Vec<(String, DataFrame)>, JobError> {
        let mut frames = Vec::with_capacity(self.dates.len());
        for (date, columns) in self.dates {
            let height = columns.first().map_or(0, Vec::len);
            let columns = table.columns.iter().zip(columns).zip(&self.used).map(|((column, values), used)| {
                let name = column.name.as_ref();
                let series =
                    if *used { Series::new(name.into(), values) } else { Series::new_null(name.into(), height) };
                series.into_column()
            });
            frames.push((date, DataFrame::new(height, columns.collect::<Vec<Column>>())?));
        }
        Ok(frames)
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::DataType;

    use super::*;

    fn events() -> &'static SilverTable {
        &SILVER[0]
    }

    #[test]
    fn rows_find_their_date_and_keep_their_text() {
        let text = "event_id,ts,country,event_date\nE1,2024-12-30 21:52:06, PE ,2024-12-30\nE2,2024-12-31T23:30:00-01:00,NULL,\n\
                    E3,not a time,N/A,2024-02-30\nE4,2025-01-01,none,2024-12-30\n";
        let input = parse("u", "events.csv", text.as_bytes(), events(), &Budget::new(1)).unwrap();
        let found: Vec<(&str, Vec<Option<&str>>)> = input
            .dates
            .iter()
            .map(|(date, columns)| (date.as_str(), columns[0].iter().map(Option::as_deref).collect()))
            .collect();
        assert_eq!(
            found,
            [
                ("1900-01-01", vec![Some("E3")]),
                ("2024-12-30", vec![Some("E1"), Some("E4")]),
                ("2025-01-01", vec![Some("E2")]),
            ]
        );
        let frames = input.into_frames(events()).unwrap();
        let frame = &frames[1].1;
        let countries: Vec<Option<&str>> = frame.column("country").unwrap().str().unwrap().iter().collect();
        assert_eq!(countries, [Some(" PE "), None]);
        assert_eq!(frame.column("price").unwrap().dtype(), &DataType::Null, "no file has a price");
        assert_eq!(frame.width(), events().columns.len());
    }

    #[test]
    fn compressed_files_are_read_as_plain_ones() {
        use std::io::Write;
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"event_id,ts\nE1,2024-12-30\n").unwrap();
        let input = parse("u", "events.csv.gz", &gz.finish().unwrap(), events(), &Budget::new(1)).unwrap();
        assert_eq!(input.dates.keys().collect::<Vec<_>>(), ["2024-12-30"]);
    }

    #[test]
    fn a_file_that_cannot_be_meant_is_refused_with_its_place() {
        for (name, text, part) in [
            ("events.csv", &b"event_id,ts\nE1,2024-12-30\nE2\n"[..], "line: 3"),
            ("events.csv", b"event_id,ts\nE1,\xff\xfe\n", "line 2"),
            ("events.csv", b"a,b\n1,2\n", "names no column of events"),
            ("events.csv.gz", b"no gzip", "s3://x/events.csv.gz"),
        ] {
            let error = parse(&format!("s3://x/{name}"), name, text, events(), &Budget::new(1)).unwrap_err();
            assert_eq!(error.code, Code::SchemaValidationFailed);
            assert!(error.message.contains(part), "{error}");
        }
    }
}
