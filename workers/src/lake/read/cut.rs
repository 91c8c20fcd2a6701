//! From the bytes of an object, compressed or not, to pieces of whole rows.

use std::io::Write;

use flate2::write::MultiGzDecoder;
use memchr::{memchr_iter, memrchr};

use super::Format;
use super::limit::{OBJECT_TEXT_BYTES_MAX, PIECE_BYTES, RECORD_BYTES_MAX, SPLIT};
use super::quotes::Quotes;
use crate::lake::Error;

/// Compressed bytes decoded in one go: gzip expands at most about a thousandfold, so this bounds the memory.
const GZIP_STEP_BYTES: usize = 16 << 10;

/// Collects text and cuts it between rows. Memory: one piece, one record and one gzip step, whatever the object holds.
pub(crate) struct Cutter {
    uri: String,
    format: Format,
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    text: Vec<u8>,
    /// Bytes of `text` already searched for row ends.
    searched: usize,
    /// The end of the last whole row within `searched`.
    row_end: usize,
    /// The quotes of CSV, up to `searched`.
    quotes: Quotes,
    total_bytes: u64,
    /// The line that `text` begins in, from 1.
    line: u64,
}

impl Cutter {
    /// For an object of a text format; `gzip` if it is compressed.
    pub fn new(uri: String, format: Format, gzip: bool) -> Cutter {
        Cutter {
            uri,
            format,
            gzip: gzip.then(|| MultiGzDecoder::new(Vec::new())),
            text: Vec::new(),
            searched: 0,
            row_end: 0,
            quotes: Quotes::new(),
            total_bytes: 0,
            line: 1,
        }
    }

    /// Takes the object's next bytes and hands out pieces of whole rows as they become full.
    pub fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let Some(mut gzip) = self.gzip.take() else { return self.push_text(bytes, sink) };
        for step in bytes.chunks(GZIP_STEP_BYTES) {
            gzip.write_all(step).map_err(|error| self.broken_gzip(&error))?;
            let text = std::mem::take(gzip.get_mut());
            self.push_text(&text, sink)?;
        }
        self.gzip = Some(gzip);
        Ok(())
    }

    /// Hands out what is left.
    pub fn finish(&mut self, sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        if let Some(gzip) = self.gzip.take() {
            let text = gzip.finish().map_err(|error| self.broken_gzip(&error))?;
            self.push_text(&text, sink)?;
        }
        if self.text.is_empty() { Ok(()) } else { sink(&self.text) }
    }

    /// The line of a quote of CSV that is not closed so far.
    pub fn open_quote_line(&self) -> Option<u64> {
        let opened = self.text.len().saturating_sub(self.quotes.open()? as usize);
        Some(self.line + line_breaks(&self.text[..opened]))
    }

    fn broken_gzip(&self, error: &std::io::Error) -> Error {
        Error::Unreadable { uri: self.uri.clone(), format: "gzip", reason: error.to_string() }
    }

    fn push_text(&mut self, bytes: &[u8], sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        self.total_bytes += bytes.len() as u64;
        if self.total_bytes > OBJECT_TEXT_BYTES_MAX {
            return Err(self.limit("the text".to_owned(), "OBJECT_TEXT_BYTES_MAX", OBJECT_TEXT_BYTES_MAX));
        }
        let bytes = if self.total_bytes == bytes.len() as u64 {
            bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
        } else {
            bytes
        };
        // Small steps, so that a record without an end is noticed before it fills the memory.
        for step in bytes.chunks(PIECE_BYTES) {
            self.text.extend_from_slice(step);
            self.search();
            if self.text.len() >= PIECE_BYTES && self.row_end > 0 {
                sink(&self.text[..self.row_end])?;
                self.line += line_breaks(&self.text[..self.row_end]);
                self.text.drain(..self.row_end);
                self.searched -= self.row_end;
                self.row_end = 0;
            }
            if (self.text.len() - self.row_end) as u64 > RECORD_BYTES_MAX {
                let line = self.line + line_breaks(&self.text[..self.row_end]);
                let mut what = format!("the record that begins in line {line}");
                if let Some(line) = self.open_quote_line() {
                    what.push_str(&format!(", with a quote in line {line} that is not closed,"));
                }
                return Err(self.limit(what, "RECORD_BYTES_MAX", RECORD_BYTES_MAX));
            }
        }
        Ok(())
    }

    /// Finds the last row end; a line end within quotes of CSV is none.
    fn search(&mut self) {
        let fresh = &self.text[self.searched..];
        let base = self.searched;
        match self.format {
            Format::Csv => self.quotes.outside(fresh, |stretch| {
                if let Some(at) = last_line_break(&fresh[stretch.clone()]) {
                    self.row_end = base + stretch.start + at + 1;
                }
            }),
            _ => {
                if let Some(at) = memrchr(b'\n', fresh) {
                    self.row_end = base + at + 1;
                }
            }
        }
        self.searched = self.text.len();
    }

    fn limit(&self, what: String, limit: &'static str, value: u64) -> Error {
        Error::Limit { uri: self.uri.clone(), what, limit, value, remedy: SPLIT }
    }
}

/// Between quotes there are often a few bytes only.
fn last_line_break(text: &[u8]) -> Option<usize> {
    if text.len() < 16 { text.iter().rposition(|&byte| byte == b'\n') } else { memrchr(b'\n', text) }
}

pub(super) fn line_breaks(text: &[u8]) -> u64 {
    memchr_iter(b'\n', text).count() as u64
}

/// Decompresses a gzip object that is needed as a whole.
pub(super) fn inflate(uri: &str, bytes: &[u8], limit: &'static str, size_bytes_max: u64) -> Result<Vec<u8>, Error> {
    use std::io::Read;
    let mut out = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(bytes).take(size_bytes_max + 1);
    decoder.read_to_end(&mut out).map_err(|error| Error::Unreadable {
        uri: uri.to_owned(),
        format: "gzip",
        reason: error.to_string(),
    })?;
    if out.len() as u64 > size_bytes_max {
        return Err(Error::Limit {
            uri: uri.to_owned(),
            what: "the decompressed object".to_owned(),
            limit,
            value: size_bytes_max,
            remedy: SPLIT,
        });
    }
    Ok(out)
}
