//! What a Parquet file takes when it is decoded, found out before it is: a file of a few kilobytes can stand for billions
//! of equal values, and a page for a gigabyte of zeros.
//!
//! Three things are looked at: how many bytes the footer's values take ([`check_footer`]), what the header of each page
//! claims ([`check_pages`]), and both for an object that is in memory ([`check_object`]). Size alone refuses nothing: large
//! files are streamed. What is refused is a size out of all proportion to the file. Not seen from outside are a dictionary
//! with one long value among many short ones, and values that repeat most of the one before (`DELTA_BYTE_ARRAY`): they end
//! at the 2 GiB that a batch of text can hold.

mod page;

use std::io::Read;

use bytes::Bytes;
use deltalake::parquet::basic::{Compression, Type};
use deltalake::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};

use super::Error;

/// Values that take less than this are never too many.
const VALUES_BYTES_FREE: u64 = 256 << 20;
/// Beyond [`VALUES_BYTES_FREE`], values may take so many times the file's size. Columns of one value reach about 1,000
/// beside one that differs in each row.
const VALUES_EXPANSION_MAX: u64 = 10_000;
/// A page that takes less than this is never too large.
const PAGE_BYTES_FREE: u64 = 64 << 20;
/// Beyond [`PAGE_BYTES_FREE`], a page may take so many times its stored size. Writers aim at pages of 1 MiB.
const PAGE_EXPANSION_MAX: u64 = 1_000;
/// Entries of a dictionary longer than this on average, if ...
const ENTRY_BYTES_FREE: u64 = 64 << 10;
/// ... all values together would take more than this, are refused.
const ENTRIES_BYTES_MAX: u64 = 1 << 30;
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
    let width = match chunk.column_type() {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT => 4,
        Type::INT64 | Type::DOUBLE | Type::INT96 => 8,
        Type::BYTE_ARRAY => TEXT_BYTES,
        Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(chunk.column_descr().type_length()).unwrap_or_default(),
    };
    let text = chunk.unencoded_byte_array_data_bytes().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
    values.saturating_mul(width).saturating_add(text)
}

/// Refuses pages of a column that claim far more than their size explains. `bytes` begin with a page: a whole column, or
/// some pages of it.
///
/// # Errors
/// [`Error::Limit`].
pub(crate) fn check_pages(uri: &str, chunk: &ColumnChunkMetaData, bytes: &[u8]) -> Result<(), Error> {
    let column = || chunk.column_path().string();
    let mut at = 0;
    while let Some(header) = bytes.get(at..).and_then(page::parse) {
        let page::PageHeader { decoded_bytes, stored_bytes, values, .. } = header;
        if decoded_bytes > PAGE_BYTES_FREE && decoded_bytes / PAGE_EXPANSION_MAX > stored_bytes {
            let what = format!(
                "the size of a page of column `{}` ({decoded_bytes} bytes) in proportion to what is stored \
                 ({stored_bytes} bytes)",
                column()
            );
            return Err(refused(uri, what, "PAGE_EXPANSION_MAX", PAGE_EXPANSION_MAX));
        }
        let average = if header.is_dictionary { decoded_bytes / values.max(1) } else { 0 };
        let all = u64::try_from(chunk.num_values()).unwrap_or_default().saturating_mul(average);
        if average > ENTRY_BYTES_FREE && all > ENTRIES_BYTES_MAX && chunk.column_type() == Type::BYTE_ARRAY {
            let what = format!(
                "the size of column `{}` ({} values of {average} bytes) without its dictionary",
                column(),
                chunk.num_values()
            );
            return Err(refused(uri, what, "ENTRIES_BYTES_MAX", ENTRIES_BYTES_MAX));
        }
        let start = at + header.length;
        let Some(end) = usize::try_from(stored_bytes).ok().and_then(|size| start.checked_add(size)) else { break };
        if matches!(chunk.compression(), Compression::GZIP(_)) {
            let levels = usize::try_from(header.levels_bytes).unwrap_or(usize::MAX);
            let stored = bytes.get(start.saturating_add(levels)..end).unwrap_or_default();
            check_gzip(uri, &column(), stored, decoded_bytes)?;
        }
        at = end;
    }
    Ok(())
}

/// The decoder of gzip goes on beyond what the header claims, so a page that could expand to too much is inflated once
/// for its size alone.
fn check_gzip(uri: &str, column: &str, stored: &[u8], claimed_bytes: u64) -> Result<(), Error> {
    /// Deflate turns one byte into no more than this.
    const EXPANSION: u64 = 1_032;
    if stored.len() as u64 * EXPANSION <= PAGE_BYTES_FREE {
        return Ok(());
    }
    let mut inflated = flate2::read::MultiGzDecoder::new(stored).take(claimed_bytes.saturating_add(1));
    // A broken stream is the decoder's to refuse.
    let size_bytes = std::io::copy(&mut inflated, &mut std::io::sink()).unwrap_or_default();
    if size_bytes > claimed_bytes {
        let what = format!("the size of a page of column `{column}`");
        return Err(refused(uri, what, "what its header says", claimed_bytes));
    }
    Ok(())
}

/// Looks at a whole object; what its values take in memory, in bytes.
///
/// # Errors
/// [`Error::Unreadable`] if it is no Parquet file, [`Error::Limit`].
pub(crate) fn check_object(uri: &str, bytes: &Bytes) -> Result<u64, Error> {
    let unreadable = |reason: String| Error::Unreadable { uri: uri.to_owned(), format: "Parquet", reason };
    let footer = ParquetMetaDataReader::new().parse_and_finish(bytes).map_err(|error| unreadable(error.to_string()))?;
    let values_bytes = check_footer(uri, bytes.len() as u64, &footer)?;
    for chunk in footer.row_groups().iter().flat_map(|group| group.columns()) {
        let (start, length) = byte_range(chunk).expect("the footer was checked");
        let (start, end) = (usize::try_from(start), usize::try_from(start.saturating_add(length)));
        let stored = start.ok().zip(end.ok()).and_then(|(start, end)| bytes.get(start..end));
        let Some(stored) = stored else {
            let column = chunk.column_path().string();
            return Err(unreadable(format!("the column `{column}` lies outside of the file")));
        };
        check_pages(uri, chunk, stored)?;
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
