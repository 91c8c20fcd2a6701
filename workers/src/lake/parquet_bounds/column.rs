//! The pages of a column, looked at on their way to the decoder.
//!
//! A header says what its page claims. Where that says little about the values - texts that share a prefix with the one
//! before, a long entry of a dictionary that is meant again and again, lengths that come as a run - the page is unpacked
//! once for its lengths alone: the text itself is never put together.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use deltalake::parquet::basic::{Compression, Encoding, Type};
use deltalake::parquet::column::page::{Page, PageReader};
use deltalake::parquet::file::metadata::ColumnChunkMetaData;
use deltalake::parquet::file::serialized_reader::SerializedPageReader;

use super::delta::{Delta, Prefixes};
use super::dictionary::LongEntries;
use super::page::{self, PageHeader};
use super::{
    LONG_BYTES, PAGE_BYTES_FREE, PAGE_EXPANSION_MAX, REPEATED_BYTES_MAX, VALUES_BYTES_FREE, refused, value_bytes,
};
use crate::lake::Error;

/// What a length of a text takes while its page is decoded: two numbers of the decoder's.
const LENGTH_BYTES: u64 = 8;

/// What is known of a column of a row group while its pages go by.
#[derive(Debug)]
pub(crate) struct ColumnPages<'a> {
    uri: &'a str,
    chunk: &'a ColumnChunkMetaData,
    entries: LongEntries,
    /// Values of its data pages so far.
    values: u64,
    /// What its texts share with those before them.
    prefix_bytes: u64,
    /// What its long texts take beyond what is stored of them.
    repeated_bytes: u64,
}

impl<'a> ColumnPages<'a> {
    /// Of which nothing was seen yet.
    pub fn new(uri: &'a str, chunk: &'a ColumnChunkMetaData) -> ColumnPages<'a> {
        let entries = LongEntries::default();
        ColumnPages { uri, chunk, entries, values: 0, prefix_bytes: 0, repeated_bytes: 0 }
    }

    /// What the texts seen so far take beyond what is stored of them, because they share prefixes.
    pub fn prefix_bytes(&self) -> u64 {
        self.prefix_bytes
    }

    /// Refuses pages that take far more than their size explains. `bytes` begin with a page: a whole column, its
    /// dictionary, or some pages of it, in the column's order.
    ///
    /// # Errors
    /// [`Error::Limit`].
    pub fn check(&mut self, bytes: &Bytes) -> Result<(), Error> {
        let mut at = 0;
        while let Some(header) = bytes.get(at..).and_then(page::parse) {
            self.check_size(header.decoded_bytes, header.stored_bytes)?;
            let start = at + header.length;
            let Some(end) = usize::try_from(header.stored_bytes).ok().and_then(|size| start.checked_add(size)) else {
                break;
            };
            if matches!(self.chunk.compression(), Compression::GZIP(_)) {
                let levels = usize::try_from(header.levels_bytes).unwrap_or(usize::MAX);
                let stored = bytes.get(start.saturating_add(levels)..end).unwrap_or_default();
                self.check_gzip(stored, header.decoded_bytes)?;
            }
            self.check_count(&header)?;
            // Of a page that is cut off nothing is decoded.
            if end <= bytes.len()
                && self.is_to_be_unpacked(&header)
                && let Some(page) = unpacked(self.chunk, bytes.slice(at..end))
            {
                self.check_values(&header, &page)?;
            }
            at = end;
        }
        Ok(())
    }

    fn check_size(&self, decoded_bytes: u64, stored_bytes: u64) -> Result<(), Error> {
        if decoded_bytes > PAGE_BYTES_FREE && decoded_bytes / PAGE_EXPANSION_MAX > stored_bytes {
            let what = format!(
                "the size of a page of column `{}` ({decoded_bytes} bytes) in proportion to what is stored \
                 ({stored_bytes} bytes)",
                self.column()
            );
            return Err(refused(self.uri, what, "PAGE_EXPANSION_MAX", PAGE_EXPANSION_MAX));
        }
        Ok(())
    }

    /// The decoder of gzip goes on beyond what the header claims, so a page that could expand to too much is inflated once
    /// for its size alone.
    fn check_gzip(&self, stored: &[u8], claimed_bytes: u64) -> Result<(), Error> {
        /// Deflate turns one byte into no more than this.
        const EXPANSION: u64 = 1_032;
        if stored.len() as u64 * EXPANSION <= PAGE_BYTES_FREE {
            return Ok(());
        }
        let mut inflated = flate2::read::MultiGzDecoder::new(stored).take(claimed_bytes.saturating_add(1));
        // A broken stream is the decoder's to refuse.
        let size_bytes = std::io::copy(&mut inflated, &mut std::io::sink()).unwrap_or_default();
        if size_bytes > claimed_bytes {
            let what = format!("the size of a page of column `{}`", self.column());
            return Err(refused(self.uri, what, "what its header says", claimed_bytes));
        }
        Ok(())
    }

    /// The footer was judged by the values it counts: the pages must not bring many more.
    fn check_count(&mut self, header: &PageHeader) -> Result<(), Error> {
        if header.encoding.is_some() {
            self.values = self.values.saturating_add(header.values);
        }
        let counted = u64::try_from(self.chunk.num_values()).unwrap_or_default();
        if self.values > counted && self.values.saturating_mul(value_bytes(self.chunk)) > VALUES_BYTES_FREE {
            let what = format!("the number of values in the pages of column `{}` ({})", self.column(), self.values);
            return Err(refused(self.uri, what, "what the footer says", counted));
        }
        Ok(())
    }

    /// Whether the values of a page can take more than header and footer tell.
    fn is_to_be_unpacked(&self, header: &PageHeader) -> bool {
        let is_text = self.chunk.column_type() == Type::BYTE_ARRAY;
        match header.encoding {
            None if header.is_dictionary && is_text => {
                // What is not compressed is as long as it is, whatever its header says.
                let size_bytes = header.decoded_bytes.max(header.stored_bytes);
                let values = u64::try_from(self.chunk.num_values()).unwrap_or_default();
                size_bytes > LONG_BYTES && size_bytes.saturating_mul(values) > REPEATED_BYTES_MAX
            }
            Some(page::PLAIN_DICTIONARY | page::RLE_DICTIONARY) => !self.entries.is_empty(),
            Some(page::DELTA_BINARY_PACKED | page::DELTA_LENGTH_BYTE_ARRAY | page::DELTA_BYTE_ARRAY) => true,
            _ => false,
        }
    }

    fn check_values(&mut self, header: &PageHeader, page: &Page) -> Result<(), Error> {
        if let Page::DictionaryPage { buf, .. } = page {
            self.entries = LongEntries::of(buf, header.values);
            return Ok(());
        }
        // What is not there is the decoder's to refuse.
        let Some(values) = values_of(page, self.chunk) else { return Ok(()) };
        match header.encoding {
            Some(page::PLAIN_DICTIONARY | page::RLE_DICTIONARY) => {
                self.repeated_bytes = self.repeated_bytes.saturating_add(self.entries.bytes_of(values, header.values));
            }
            encoding => {
                let Some(stream) = Delta::parse(values) else { return Ok(()) };
                if stream.numbers() > header.values {
                    let what = format!("the number of values in a page of column `{}`", self.column());
                    return Err(refused(self.uri, what, "what its header says", header.values));
                }
                if encoding != Some(page::DELTA_BINARY_PACKED) {
                    self.check_size(stream.numbers().saturating_mul(LENGTH_BYTES), header.stored_bytes)?;
                }
                if encoding == Some(page::DELTA_BYTE_ARRAY) {
                    let Prefixes { bytes, long_bytes } = Prefixes::of(values).unwrap_or_default();
                    self.prefix_bytes = self.prefix_bytes.saturating_add(bytes);
                    self.repeated_bytes = self.repeated_bytes.saturating_add(long_bytes);
                }
            }
        }
        if self.repeated_bytes > REPEATED_BYTES_MAX {
            let what = format!(
                "the size of the long texts of column `{}` beyond what is stored of them ({} bytes)",
                self.column(),
                self.repeated_bytes
            );
            return Err(refused(self.uri, what, "REPEATED_BYTES_MAX", REPEATED_BYTES_MAX));
        }
        Ok(())
    }

    fn column(&self) -> String {
        self.chunk.column_path().string()
    }
}

/// A page, by the decoder of the column's codec; `None` if it cannot be decoded.
fn unpacked(chunk: &ColumnChunkMetaData, page: Bytes) -> Option<Page> {
    let alone = ColumnChunkMetaData::builder(chunk.column_descr_ptr())
        .set_compression(chunk.compression())
        .set_num_values(chunk.num_values())
        .set_data_page_offset(0)
        .set_total_compressed_size(i64::try_from(page.len()).ok()?)
        .build()
        .ok()?;
    SerializedPageReader::new(Arc::new(page), &alone, 0, None).ok()?.get_next_page().ok()?
}

/// The values of a data page, without its levels.
fn values_of<'a>(page: &'a Page, chunk: &ColumnChunkMetaData) -> Option<&'a [u8]> {
    match page {
        Page::DataPage { buf, num_values, def_level_encoding, rep_level_encoding, .. } => {
            let column = chunk.column_descr();
            let mut values = &buf[..];
            for (level_max, encoding) in
                [(column.max_rep_level(), rep_level_encoding), (column.max_def_level(), def_level_encoding)]
            {
                if level_max > 0 {
                    values = values.get(levels_bytes(level_max, *encoding, *num_values, values)?..)?;
                }
            }
            Some(values)
        }
        Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
            let levels = usize::try_from(*def_levels_byte_len).ok()? + usize::try_from(*rep_levels_byte_len).ok()?;
            buf.get(levels..)
        }
        Page::DictionaryPage { .. } => None,
    }
}

/// What the levels at the beginning of a page of version 1 take.
fn levels_bytes(level_max: i16, encoding: Encoding, values: u32, page: &[u8]) -> Option<usize> {
    match encoding {
        Encoding::RLE => {
            let length = page.first_chunk::<4>()?;
            usize::try_from(u32::from_le_bytes(*length)).ok()?.checked_add(length.len())
        }
        #[expect(deprecated, reason = "old files have it")]
        Encoding::BIT_PACKED => {
            let width = u16::BITS - level_max.unsigned_abs().leading_zeros();
            usize::try_from((u64::from(values) * u64::from(width)).div_ceil(8)).ok()
        }
        _ => None,
    }
}
