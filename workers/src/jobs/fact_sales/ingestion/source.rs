//! The bytes of a sales file on their way to the parser: checked to be UTF-8, cleaned, hashed, and bounded.
//!
//! A [`Source`] reads from anything and holds no more than a row and a buffer of it. It keeps the text of the row that
//! is being parsed, so that a reject can be shown as it came.

use std::io::{self, Read};

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::header::SAMPLE_LINES;
use crate::lake::Folder;

/// A longer row is a mistake: a lost line break or a quote that never ends.
pub(super) const ROW_BYTES_MAX: usize = 1 << 20;
/// What is asked for at once.
const CHUNK_BYTES: usize = 256 << 10;
/// An object is fetched range by range of this size.
const RANGE_BYTES: u64 = 8 << 20;

/// What is wrong with a file as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A byte that no UTF-8 text has, in this line.
    NotUtf8 { line: u64 },
    /// A row above [`ROW_BYTES_MAX`], beginning in this line.
    RowTooLong { line: u64 },
    /// A quote that is open at the end, in the row beginning in this line.
    OpenQuote { line: u64 },
    /// Nothing in it.
    Empty,
}

/// A file's text.
#[derive(Debug)]
pub(super) struct Source<R> {
    inner: R,
    digest: Sha256,
    chunk: Vec<u8>,
    /// Read but not yet known to be UTF-8: the beginning of a character.
    undecided: Vec<u8>,
    /// Clean text: delivered up to `at`, kept from the beginning of the current row on.
    text: Vec<u8>,
    at: usize,
    /// Bytes of clean text before `text`.
    before: u64,
    ended: bool,
    /// Line breaks seen.
    lines: u64,
    /// The byte and the line the current row began at.
    row_start: u64,
    row_line: u64,
    fault: Option<Fault>,
}

impl<R: Read> Source<R> {
    pub fn new(inner: R) -> Source<R> {
        Source {
            inner,
            digest: Sha256::new(),
            chunk: vec![0; CHUNK_BYTES],
            undecided: Vec::new(),
            text: Vec::new(),
            at: 0,
            before: 0,
            ended: false,
            lines: 0,
            row_start: 0,
            row_line: 1,
            fault: None,
        }
    }

    /// The first lines, not yet delivered.
    pub fn sample(&mut self) -> io::Result<&str> {
        while !self.ended && self.text.len() < ROW_BYTES_MAX && self.lines < SAMPLE_LINES as u64 {
            self.fill()?;
        }
        let end = self.text.len().min(ROW_BYTES_MAX);
        // The cut may go through a character; what is before it is enough.
        Ok(match std::str::from_utf8(&self.text[..end]) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&self.text[..error.valid_up_to()]).unwrap_or_default(),
        })
    }

    /// The clean text from byte `start` to byte `end`, counted from the beginning of the file's clean text.
    pub fn raw(&self, start: u64, end: u64) -> &str {
        let index = |byte: u64| usize::try_from(byte.saturating_sub(self.before)).unwrap_or(usize::MAX);
        let bytes = self.text.get(index(start)..index(end).min(self.text.len())).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default().trim_matches(['\r', '\n'])
    }

    /// The next row begins at byte `start`, in line `line`; text before byte `kept` is not needed any more.
    pub fn begin_row(&mut self, start: u64, line: u64, kept: u64) {
        (self.row_start, self.row_line) = (start, line);
        let done = usize::try_from(kept.saturating_sub(self.before)).unwrap_or(usize::MAX).min(self.at);
        // Moving the rest is only worth it now and then.
        if done >= CHUNK_BYTES {
            self.text.drain(..done);
            self.at -= done;
            self.before += done as u64;
        }
    }

    /// What made a read fail, if it was the file's content.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The SHA-256 of all bytes, once they have all been read.
    pub fn finish(self) -> String {
        hex::encode(self.digest.finalize())
    }

    fn fail(&mut self, fault: Fault) -> io::Error {
        self.fault = Some(fault);
        io::Error::other("the content of the file cannot be used")
    }

    /// Reads a chunk and cleans it.
    fn fill(&mut self) -> io::Result<()> {
        let count = loop {
            match self.inner.read(&mut self.chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        let bytes = &self.chunk[..count];
        self.digest.update(bytes);
        self.undecided.extend_from_slice(bytes);
        let valid = match std::str::from_utf8(&self.undecided) {
            Ok(text) => text,
            Err(error) => {
                let valid = std::str::from_utf8(&self.undecided[..error.valid_up_to()]).unwrap_or_default();
                if error.error_len().is_some() || count == 0 {
                    let line = self.lines + line_breaks(valid) + 1;
                    return Err(self.fail(Fault::NotUtf8 { line }));
                }
                valid
            }
        };
        self.lines += line_breaks(valid);
        clean(valid, &mut self.text);
        let taken = valid.len();
        self.undecided.drain(..taken);
        self.ended = count == 0;
        Ok(())
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() && !self.ended {
            let since = self.before + self.text.len() as u64 - self.row_start;
            if since > (ROW_BYTES_MAX + CHUNK_BYTES) as u64 {
                let line = self.row_line;
                return Err(self.fail(Fault::RowTooLong { line }));
            }
            self.fill()?;
        }
        let count = buffer.len().min(self.text.len() - self.at);
        buffer[..count].copy_from_slice(&self.text[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn line_breaks(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}

/// Appends the text without byte order marks, zero-width and non-breaking spaces.
///
/// Source: pipelines.md 2.7, step 1.
fn clean(text: &str, out: &mut Vec<u8>) {
    if !text.bytes().any(|byte| matches!(byte, 0xC2 | 0xE2 | 0xEF)) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for piece in text.split(['\u{FEFF}', '\u{200B}', '\u{00A0}']) {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// An object read from first byte to last, for threads that may block.
#[derive(Debug)]
pub(super) struct ObjectReader {
    folder: Folder,
    name: String,
    size_bytes: u64,
    next: u64,
    range: bytes::Bytes,
    runtime: Handle,
}

impl ObjectReader {
    /// Must be made within the runtime.
    pub fn new(folder: Folder, name: &str, size_bytes: u64) -> ObjectReader {
        let runtime = Handle::current();
        ObjectReader { folder, name: name.to_owned(), size_bytes, next: 0, range: bytes::Bytes::new(), runtime }
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.range.is_empty() && self.next < self.size_bytes {
            let end = self.size_bytes.min(self.next + RANGE_BYTES);
            let fetched = self.runtime.block_on(self.folder.get_range(&self.name, self.next..end));
            self.range = fetched.map_err(|error| io::Error::other(error.chain()))?;
            if self.range.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.next += self.range.len() as u64;
        }
        let count = buffer.len().min(self.range.len());
        buffer[..count].copy_from_slice(&self.range.split_to(count));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte at a time: every character is cut.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(1);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn text_is_cleaned_however_it_is_cut() {
        let mut source = Source::new(Drip("\u{FEFF}a,\u{A0}b\u{200B}\nä,€\n".as_bytes()));
        let mut text = String::new();
        source.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a,b\nä,€\n");
        assert_eq!(source.raw(4, 10), "ä,€");
    }

    #[test]
    fn a_byte_that_is_no_text_is_named_by_its_line() {
        for (bytes, line) in [(&b"a\nb\n\xff\n"[..], 3), (b"\x80", 1), (b"a\n\xe2\x82", 2)] {
            let mut source = Source::new(Drip(bytes));
            assert!(source.read_to_end(&mut Vec::new()).is_err());
            assert_eq!(source.fault(), Some(&Fault::NotUtf8 { line }), "{bytes:?}");
        }
    }

    #[test]
    fn a_gigabyte_in_one_row_is_refused_after_a_megabyte_or_two() {
        let mut source = Source::new(io::repeat(b'x').take(1 << 30));
        let read = io::copy(&mut source, &mut io::sink());
        assert!(read.is_err());
        assert_eq!(source.fault(), Some(&Fault::RowTooLong { line: 1 }));
        assert!(source.text.capacity() < 4 << 20, "{}", source.text.capacity());
    }
}
