//! How much one read may take; beyond it is a clear error, not an exhausted machine. The figures are ours: generous
//! for prices by the day, small beside the memory of a small machine.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::lake::Error;

/// One row of JSON or CSV, in bytes of text.
pub const RECORD_BYTES_MAX: u64 = 1 << 20;
/// One object as text, after decompression.
pub const OBJECT_TEXT_BYTES_MAX: u64 = 8 << 30;
/// One Parquet object, which is decoded as a whole.
pub const PARQUET_BYTES_MAX: u64 = 1 << 30;
/// All rows of one read.
pub const RECORDS_MAX: u64 = 50_000_000;
/// A Parquet object that is compressed as a whole, after decompression. Parquet is compressed within.
pub const PARQUET_GZIP_BYTES_MAX: u64 = 128 << 20;
/// Columns beyond the declared ones.
pub const EXTRA_COLUMNS_MAX: usize = 1_000;

/// How much memory, in MiB, the rows of one read may take; sorting and writing them takes about as much again. Prices beyond it
/// go through temporary files, the shop's files are not held at all, other rows are refused.
pub const MEMORY_VARIABLE: &str = "STEPWELL_READ_MEMORY_MIB";
/// The allowance without the variable.
pub const MEMORY_MB_DEFAULT: u64 = 1024;

/// What helps against a limit that is a constant.
pub(super) const SPLIT: &str = "split the object or repair it";
/// What helps against the limit of memory.
const RAISE: &str = "split the input, or raise the variable if the machine has the memory";

/// Small objects are gathered into units of about this size.
pub(super) const UNIT_BYTES: u64 = 4 << 20;
/// The most objects in a unit.
pub(super) const UNIT_OBJECTS_MAX: usize = 256;
/// Objects above this size are fetched range by range of this size.
pub(super) const RANGE_BYTES: u64 = 8 << 20;
/// Text is parsed in pieces of about this size.
pub(super) const PIECE_BYTES: usize = 2 << 20;
/// Objects of a unit fetched at once from an object store.
pub(super) const OBJECTS_AT_ONCE: usize = 32;

/// The allowance of the environment, in MiB.
///
/// # Errors
/// [`Error::Configuration`].
pub(crate) fn memory_mb() -> Result<u64, Error> {
    let Ok(text) = std::env::var(MEMORY_VARIABLE) else { return Ok(MEMORY_MB_DEFAULT) };
    match text.trim().parse() {
        Ok(memory_mb) if memory_mb > 0 => Ok(memory_mb),
        _ => Err(Error::Configuration {
            name: MEMORY_VARIABLE.to_owned(),
            reason: format!("it is `{text}`; give a number of MiB"),
        }),
    }
}

/// What all objects of one read may take together, and what they have taken so far.
#[derive(Debug)]
pub(crate) struct Budget {
    records: AtomicU64,
    bytes: AtomicU64,
    memory_mb: u64,
}

impl Budget {
    /// The allowance of the environment.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn from_env() -> Result<Budget, Error> {
        memory_mb().map(Budget::new)
    }

    /// No bound but that of the number of rows: for rows that are not held.
    pub fn of_records() -> Budget {
        Budget::new(u64::MAX)
    }

    /// So many MiB.
    pub fn new(memory_mb: u64) -> Budget {
        Budget { records: AtomicU64::new(0), bytes: AtomicU64::new(0), memory_mb }
    }

    /// Takes rows and their memory out of it.
    ///
    /// # Errors
    /// [`Error::Limit`] naming the object that was too much.
    pub fn spend(&self, uri: &str, records: u64, bytes: u64) -> Result<(), Error> {
        let records = self.records.fetch_add(records, Ordering::Relaxed).saturating_add(records);
        if records > RECORDS_MAX {
            return Err(Error::Limit {
                uri: uri.to_owned(),
                what: "the number of records up to here".to_owned(),
                limit: "RECORDS_MAX",
                value: RECORDS_MAX,
                remedy: SPLIT,
            });
        }
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if bytes > self.memory_mb.saturating_mul(1 << 20) {
            return Err(Error::Limit {
                uri: uri.to_owned(),
                what: "the memory that the rows up to here take, in MiB,".to_owned(),
                limit: MEMORY_VARIABLE,
                value: self.memory_mb,
                remedy: RAISE,
            });
        }
        Ok(())
    }
}
