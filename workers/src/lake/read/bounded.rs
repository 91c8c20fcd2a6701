//! CSV text on its way to a parser that would hold a record of any length.

use std::io::{self, Read};

use super::limit::RECORD_BYTES_MAX;

/// Passes text through until a record, or all of it, is too long. Holds nothing.
#[derive(Debug)]
pub(crate) struct BoundedCsv<R> {
    inner: R,
    text_bytes_left: u64,
    text_bytes_max: u64,
    line: u64,
    record_line: u64,
    record_bytes: u64,
    in_quotes: bool,
}

impl<R: Read> BoundedCsv<R> {
    /// Text of at most so many bytes.
    pub fn new(inner: R, text_bytes_max: u64) -> BoundedCsv<R> {
        let text_bytes_left = text_bytes_max;
        BoundedCsv {
            inner,
            text_bytes_left,
            text_bytes_max,
            line: 1,
            record_line: 1,
            record_bytes: 0,
            in_quotes: false,
        }
    }
}

impl<R: Read> Read for BoundedCsv<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        for byte in &buffer[..count] {
            self.record_bytes += 1;
            match byte {
                b'"' => self.in_quotes = !self.in_quotes,
                b'\n' => {
                    self.line += 1;
                    if !self.in_quotes {
                        (self.record_line, self.record_bytes) = (self.line, 0);
                    }
                }
                _ => {}
            }
            if self.record_bytes > RECORD_BYTES_MAX {
                let line = self.record_line;
                return Err(io::Error::other(format!(
                    "the record that begins in line {line} exceeds RECORD_BYTES_MAX = {RECORD_BYTES_MAX}"
                )));
            }
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
        let text = b"a,b\n1,\"2\n3\"\n";
        let mut read = Vec::new();
        BoundedCsv::new(&text[..], 12).read_to_end(&mut read).unwrap();
        assert_eq!(read, text);
    }
}
