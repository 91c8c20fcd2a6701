//! What a Parquet file takes when it is decoded, found out before it is: a file of a few kilobytes can stand for billions
//! of equal values, and a page for a gigabyte of zeros.
//!
//! Three things are looked at: how many bytes the footer's values take ([`check_footer`]), what the pages of a column claim
//! and hold ([`ColumnPages`]), and both for an object that is in memory ([`check_object`]). Size alone refuses nothing: large
//! files are streamed. What is refused is a size out of all proportion to the file.

mod column;
mod delta;
mod dictionary;
mod page;

use std::fs::File;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use deltalake::parquet::basic::{Compression, Type};
use deltalake::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use deltalake::parquet::file::reader::ChunkReader;

use super::Error;
pub(crate) use column::ColumnPages;

/// Values that take less than this are never too many.
const VALUES_BYTES_FREE: u64 = 256 << 20;
/// Beyond [`VALUES_BYTES_FREE`], values may take so many times the file's size. Columns of one value reach about 1,000
/// beside one that differs in each row.
const VALUES_EXPANSION_MAX: u64 = 10_000;
/// A page that takes less than this is never too large.
const PAGE_BYTES_FREE: u64 = 64 << 20;
/// Beyond [`PAGE_BYTES_FREE`], a page may take so many times its stored size. Writers aim at pages of 1 MiB.
const PAGE_EXPANSION_MAX: u64 = 1_000;
/// A text longer than this is long: some thousands of them are more than a batch of rows should take.
const LONG_BYTES: u64 = 64 << 10;
/// What the long texts of a column of a row group may take beyond what is stored of them.
const REPEATED_BYTES_MAX: u64 = 1 << 30;
/// What a value of text takes besides its text.
const TEXT_BYTES: u64 = 16;
const REMEDY: &str = "have its writer write it again";

fn refused(uri: &str, what: String, limit: &'static str, value: u64) -> Error {
    Error::Limit { uri: uri.to_owned(), what, limit, value, remedy: REMEDY }
}

/// Refuses a file whose values take far more memory than its size explains; what they take, in bytes.
///
/// # Errors
/// [`Error::Limit`], [`Error::Unreadable`] for a codec whose output cannot be bounded.
pub(crate) fn check_footer(uri: &str, size_bytes: u64, footer: &ParquetMetaData) -> Result<u64, Error> {
    let mut values_bytes = 0_u64;
    for group in footer.row_groups() {
        for chunk in group.columns() {
            let unreadable = |reason: &str| {
                let reason = format!("the column `{}` {reason}", chunk.column_path().string());
                Error::Unreadable { uri: uri.to_owned(), format: "Parquet", reason }
            };
            if matches!(chunk.compression(), Compression::BROTLI(_)) {
                return Err(unreadable(
                    "is compressed by Brotli, whose output cannot be bounded; write it with zstd, snappy, lz4_raw or gzip",
                ));
            }
            if byte_range(chunk).is_none() {
                return Err(unreadable("lies before the beginning of the file"));
            }
            values_bytes = values_bytes.saturating_add(chunk_bytes(chunk, group.num_rows()));
        }
    }
    if values_bytes > VALUES_BYTES_FREE && values_bytes / VALUES_EXPANSION_MAX > size_bytes {
        let rows = footer.file_metadata().num_rows();
        let what = format!(
            "the size of its values ({rows} rows in {} columns, {values_bytes} bytes) in proportion to the file's \
             ({size_bytes} bytes)",
            footer.file_metadata().schema_descr().num_columns()
        );
        return Err(refused(uri, what, "VALUES_EXPANSION_MAX", VALUES_EXPANSION_MAX));
    }
    Ok(values_bytes)
}

/// What the values of a column take in memory.
fn chunk_bytes(chunk: &ColumnChunkMetaData, rows: i64) -> u64 {
    let values = u64::try_from(chunk.num_values().max(rows)).unwrap_or_default();
    values.saturating_mul(value_bytes(chunk)).saturating_add(text_bytes(chunk))
}

/// What a value takes besides its text.
fn value_bytes(chunk: &ColumnChunkMetaData) -> u64 {
    match chunk.column_type() {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT => 4,
        Type::INT64 | Type::DOUBLE | Type::INT96 => 8,
        Type::BYTE_ARRAY => TEXT_BYTES,
        Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(chunk.column_descr().type_length()).unwrap_or_default(),
    }
}

/// What the footer says about the text of a column.
fn text_bytes(chunk: &ColumnChunkMetaData) -> u64 {
    chunk.unencoded_byte_array_data_bytes().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default()
}

/// Looks at a whole object; what its values take in memory, in bytes.
///
/// # Errors
/// [`Error::Unreadable`] if it is no Parquet file, [`Error::Limit`].
pub(crate) fn check_object(uri: &str, bytes: &Bytes) -> Result<u64, Error> {
    check_all(uri, bytes.len() as u64, bytes, |start, end| {
        let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
        (start <= end && end <= bytes.len()).then(|| bytes.slice(start..end))
    })
}

/// The same for a file of this machine, of which one column of a row group is in memory at once.
///
/// # Errors
/// As [`check_object`]; [`Error::Storage`].
pub(crate) fn check_file(uri: &str, file: &File) -> Result<u64, Error> {
    let size_bytes = file.metadata().map_err(|error| Error::storage("read", uri, error))?.len();
    check_all(uri, size_bytes, file, |start, end| {
        let length = end.checked_sub(start).filter(|_| end <= size_bytes)?;
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut bytes, start).ok()?;
        Some(bytes.into())
    })
}

fn check_all<R: ChunkReader>(
    uri: &str,
    size_bytes: u64,
    reader: &R,
    stored: impl Fn(u64, u64) -> Option<Bytes>,
) -> Result<u64, Error> {
    let unreadable = |reason: String| Error::Unreadable { uri: uri.to_owned(), format: "Parquet", reason };
    let footer =
        ParquetMetaDataReader::new().parse_and_finish(reader).map_err(|error| unreadable(error.to_string()))?;
    let mut values_bytes = check_footer(uri, size_bytes, &footer)?;
    for chunk in footer.row_groups().iter().flat_map(|group| group.columns()) {
        let (start, length) = byte_range(chunk).expect("the footer was checked");
        let Some(stored) = stored(start, start.saturating_add(length)) else {
            let column = chunk.column_path().string();
            return Err(unreadable(format!("the column `{column}` lies outside of the file")));
        };
        let mut pages = ColumnPages::new(uri, chunk);
        pages.check(&stored)?;
        values_bytes = values_bytes.saturating_add(pages.prefix_bytes().saturating_sub(text_bytes(chunk)));
    }
    Ok(values_bytes)
}

/// Where a column's pages are, offset and length, without the panic of `ColumnChunkMetaData::byte_range` where a torn
/// footer has a negative one.
fn byte_range(chunk: &ColumnChunkMetaData) -> Option<(u64, u64)> {
    let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    Some((u64::try_from(start).ok()?, u64::try_from(chunk.compressed_size()).ok()?))
}

#[cfg(test)]
mod tests;
