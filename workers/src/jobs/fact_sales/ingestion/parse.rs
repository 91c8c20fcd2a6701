//! One pass over a sales file: every row is judged and spooled, in memory for a row or two.
//!
//! Source: pipelines.md 2.7, steps 1 to 8.

use std::io::Read;

use csv::{ReaderBuilder, StringRecord};

use super::header::{Header, detect_delimiter, split, split_again};
use super::judge::{Reason, judge};
use super::source::{Fault, ROW_BYTES_MAX, Source};
use super::spool::Spool;
use crate::job::{Code, JobError};

/// Bytes the parser takes at once.
const BUFFER_BYTES: usize = 64 << 10;

/// What was found in a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counts {
    /// Data rows; blank lines are none.
    pub rows: u64,
    /// Rows that are sales.
    pub good: u64,
    /// Rows that are none, in the order of [`Reason::ALL`].
    pub rejected: [u64; 3],
    /// Rows that another delimiter than the file's gave the right width.
    pub recovered: u64,
    /// Revenue of the good rows.
    pub revenue: f64,
}

impl Counts {
    /// Rows that are no sales, whatever the reason.
    pub fn rejects(&self) -> u64 {
        self.rejected.iter().sum()
    }
}

/// A file that was read to its end.
#[derive(Debug)]
pub(super) struct Parsed {
    pub counts: Counts,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
    /// Headers that say the same as an earlier one.
    pub repeated_headers: Vec<String>,
}

/// Why a file was not read to its end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// It is no sales file: a code and what is wrong, for people.
    Structural { code: &'static str, message: String, missing_columns: Vec<&'static str> },
    /// Something else failed.
    Fault(JobError),
}

impl From<JobError> for Stopped {
    fn from(error: JobError) -> Stopped {
        Stopped::Fault(error)
    }
}

impl From<&Fault> for Stopped {
    fn from(fault: &Fault) -> Stopped {
        let (code, message) = match fault {
            Fault::NotUtf8 { line } => {
                ("NOT_UTF8", format!("line {line} holds a byte that is not UTF-8; save the file as UTF-8"))
            }
            Fault::RowTooLong { line } => (
                "ROW_TOO_LONG",
                format!(
                    "the row in line {line} is longer than {ROW_BYTES_MAX} bytes; is a line break lost or a quote left open?"
                ),
            ),
            Fault::OpenQuote { line } => {
                ("OPEN_QUOTE", format!("the quote opened in line {line} never ends; is the file cut off?"))
            }
            Fault::Empty => ("EMPTY_FILE", "the file has no header and no rows".to_owned()),
        };
        Stopped::Structural { code, message, missing_columns: Vec::new() }
    }
}

/// Reads the whole file into the spool. Blocks.
pub(super) fn parse<R: Read>(mut source: Source<R>, spool: &mut Spool) -> Result<Parsed, Stopped> {
    let delimiter = match source.sample() {
        Ok(sample) => detect_delimiter(sample),
        Err(error) => return Err(stopped(&source, &error)),
    };
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(source);
    let mut record = StringRecord::new();
    let mut counts = Counts::default();
    let mut header: Option<Header> = None;
    // Where the row that was read last and the next one begin.
    let (mut before, mut before_line) = (0, 1);
    let (mut start, mut line) = (0, 1);
    loop {
        reader.get_mut().begin_row(start, line, before);
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(stopped(reader.get_ref(), &error)),
        }
        (before, before_line) = (start, line);
        (start, line) = (reader.position().byte(), reader.position().line());
        let raw = reader.get_ref().raw(before, start);
        if record.len() <= 1 && record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        let Some(header) = &header else {
            let found = Header::of(&record);
            let missing_columns = found.missing();
            if !missing_columns.is_empty() {
                let message = format!(
                    "the header lacks {}; it has {} column(s): {}",
                    missing_columns.join(", "),
                    record.len(),
                    record.iter().take(30).collect::<Vec<_>>().join(", ")
                );
                return Err(Stopped::Structural { code: "MISSING_COLUMNS", message, missing_columns });
            }
            header = Some(found);
            continue;
        };
        counts.rows += 1;
        let again = if record.len() == header.width { None } else { split_again(raw, header, delimiter) };
        counts.recovered += u64::from(again.is_some());
        let row = again.as_ref().unwrap_or(&record);
        match judge(header, row) {
            Ok(sale) => {
                counts.good += 1;
                counts.revenue += sale.revenue;
                spool.accept(header, row, &sale, counts.rows)?;
            }
            Err((reason, timestamp)) => {
                counts.rejected[reason as usize] += 1;
                spool.reject(header, row, raw, reason, timestamp)?;
            }
        }
    }
    // Only the row a file ends with can have a quote that never ends: one more then changes nothing.
    let raw = reader.get_ref().raw(before, start);
    if raw.contains('"') && split(raw, delimiter) == split(&format!("{raw}\""), delimiter) {
        return Err(Stopped::from(&Fault::OpenQuote { line: before_line }));
    }
    let Some(header) = header else { return Err(Stopped::from(&Fault::Empty)) };
    Ok(Parsed { counts, sha256: reader.into_inner().finish(), repeated_headers: header.repeated })
}

/// What a failed read means: the file's content, or the store.
fn stopped<R: Read>(source: &Source<R>, error: &dyn std::error::Error) -> Stopped {
    match source.fault() {
        Some(fault) => Stopped::from(fault),
        None => Stopped::Fault(JobError::new(Code::StorageError, format!("cannot read the file: {error}"))),
    }
}

/// Rejected rows by reason, as metrics have them.
pub(super) fn by_reason(counts: &Counts) -> serde_json::Map<String, serde_json::Value> {
    Reason::ALL.iter().map(|reason| (reason.name().to_owned(), counts.rejected[*reason as usize].into())).collect()
}
