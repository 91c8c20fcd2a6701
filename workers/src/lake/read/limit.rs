//! How much one read may take; beyond it is a clear error, not an exhausted machine. The figures are ours: generous
//! for prices by the day, small beside the memory of a small machine.

/// One row of JSON or CSV, in bytes of text.
pub const RECORD_BYTES_MAX: u64 = 1 << 20;
/// One object as text, after decompression.
pub const OBJECT_TEXT_BYTES_MAX: u64 = 8 << 30;
/// One Parquet object, which is decoded as a whole.
pub const PARQUET_BYTES_MAX: u64 = 1 << 30;
/// All rows of one read.
pub const RECORDS_MAX: u64 = 50_000_000;
/// Columns beyond the declared ones.
pub const EXTRA_COLUMNS_MAX: usize = 1_000;

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
