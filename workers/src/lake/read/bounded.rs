//! CSV text on its way to a parser that would hold a record of any length.

use std::io::{self, Read};

use memchr::memchr_iter;

use super::cut::line_breaks;
use super::limit::RECORD_BYTES_MAX;
use super::quotes::Quotes;

/// Passes text through until a record, or all of it, is too long. Holds nothing.
#[derive(Debug)]
pub(crate) struct BoundedCsv<R> {
    inner: R,
    text_bytes_left: u64,
    text_bytes_max: u64,
    /// The line that the record in progress begins in, and what is read of it.
    record_line: u64,
    record_lines: u64,
    record_bytes: u64,
    quotes: Quotes,
}

impl<R: Read> BoundedCsv<R> {
    /// Text of at most so many bytes.
    pub fn new(inner: R, text_bytes_max: u64) -> BoundedCsv<R> {
        BoundedCsv {
            inner,
            text_bytes_left: text_bytes_max,
            text_bytes_max,
            record_line: 1,
            record_lines: 0,
            record_bytes: 0,
            quotes: Quotes::new(),
        }
    }

    /// Takes note of bytes; the line of a record among them that is too long.
    fn measure(&mut self, text: &[u8]) -> Option<u64> {
        let (mut line, mut lines, mut bytes) = (self.record_line, self.record_lines, self.record_bytes);
        let (mut start, mut too_long) = (0, None);
        self.quotes.outside(text, |stretch| {
            for at in memchr_iter(b'\n', &text[stretch.clone()]) {
                let end = stretch.start + at + 1;
                bytes += (end - start) as u64;
                if bytes > RECORD_BYTES_MAX {
                    too_long.get_or_insert(line);
                }
                line += lines + line_breaks(&text[start..end]);
                (lines, bytes, start) = (0, 0, end);
            }
        });
        lines += line_breaks(&text[start..]);
        bytes += (text.len() - start) as u64;
        (self.record_line, self.record_lines, self.record_bytes) = (line, lines, bytes);
        too_long.or((bytes > RECORD_BYTES_MAX).then_some(line))
    }
}

impl<R: Read> Read for BoundedCsv<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(line) = self.measure(&buffer[..count]) {
            return Err(io::Error::other(format!(
                "the record that begins in line {line} exceeds RECORD_BYTES_MAX = {RECORD_BYTES_MAX}"
            )));
        }
        let Some(left) = self.text_bytes_left.checked_sub(count as u64) else {
            let max = self.text_bytes_max;
            return Err(io::Error::other(format!("it holds more than {max} bytes of text; split it")));
        };
        self.text_bytes_left = left;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_or_a_text_without_end_is_refused() {
        let gigabyte = || io::repeat(b'x').take(1 << 30);
        for (text, text_bytes_max, expected) in [
            (Box::new((&b"a\n\"b\nc\"\n"[..]).chain(gigabyte())) as Box<dyn Read>, 1 << 40, "begins in line 4 exceeds"),
            (Box::new((&b"a\n\"b\n"[..]).chain(io::repeat(b'\n').take(1 << 30))), 1 << 40, "begins in line 2 exceeds"),
            (Box::new(io::repeat(b'\n').take(1 << 30)), 1 << 20, "more than 1048576 bytes"),
        ] {
            let error = io::copy(&mut BoundedCsv::new(text, text_bytes_max), &mut io::sink()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        // A quote within an unquoted field opens nothing.
        let inches = "1,24\" Monitor\n".repeat(200_000);
        io::copy(&mut BoundedCsv::new(inches.as_bytes(), 1 << 40), &mut io::sink()).unwrap();
        let text = b"a,b\n1,\"2\n3\"\n";
        let mut read = Vec::new();
        BoundedCsv::new(&text[..], 12).read_to_end(&mut read).unwrap();
        assert_eq!(read, text);
    }
}
