//! Digests of rows.

use std::sync::Arc;

use deltalake::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use deltalake::arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use md5::{Digest, Md5};

/// What stands between the values of a row.
const SEPARATOR: &[u8] = b"||";
/// Hexadecimal ones of an MD5.
const DIGITS: usize = 32;

/// The bytes of a column of texts.
struct Texts<'a> {
    ends: &'a [i32],
    bytes: &'a [u8],
    nulls: Option<&'a NullBuffer>,
}

impl<'a> Texts<'a> {
    fn of(texts: &'a StringArray) -> Texts<'a> {
        Texts { ends: texts.value_offsets(), bytes: texts.value_data(), nulls: texts.nulls() }
    }

    /// The text of a row; empty if it is null.
    fn get(&self, row: usize) -> &'a [u8] {
        match self.nulls {
            Some(nulls) if nulls.is_null(row) => &[],
            _ => &self.bytes[self.ends[row] as usize..self.ends[row + 1] as usize],
        }
    }
}

/// MD5 of the texts of each row, joined by `||`, a null as an empty text; 32 digits, lower case.
///
/// Source: pipelines.md 2.4, step 5.
pub(super) fn row_hashes(columns: &[ArrayRef]) -> ArrayRef {
    let rows = columns.first().map_or(0, |column| column.len());
    let columns: Vec<Texts<'_>> = columns.iter().map(|column| Texts::of(column.as_string())).collect();
    let mut digits = vec![0; rows * DIGITS];
    let mut text = Vec::new();
    for (row, digits) in digits.chunks_exact_mut(DIGITS).enumerate() {
        text.clear();
        for (number, column) in columns.iter().enumerate() {
            if number > 0 {
                text.extend_from_slice(SEPARATOR);
            }
            text.extend_from_slice(column.get(row));
        }
        hex::encode_to_slice(Md5::digest(&text), digits).expect("16 bytes have 32 digits");
    }
    let ends = OffsetBuffer::from_repeated_length(DIGITS, rows);
    Arc::new(StringArray::new(ends, Buffer::from_vec(digits), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_the_joined_texts() {
        let columns: [ArrayRef; 3] = [
            Arc::new(StringArray::from(vec![Some("a"), Some("a||b"), None])),
            Arc::new(StringArray::from(vec![Some("b"), None, None])),
            Arc::new(StringArray::from(vec![Some("\u{fc}"), Some(""), None])),
        ];
        let hashes = row_hashes(&columns);
        // As `printf 'a||b||\u00fc' | md5sum` says, `'a||b||||'` and `'||||'`.
        let expected = [
            "2b236407a5a774184e6c8b29f725feb3",
            "374fc8dfd580c5402709ee8bd65e8ffc",
            "59d7d64dbcc254544f04cdb81ccff699",
        ];
        assert_eq!(hashes.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), expected);
    }
}
