//! Digests of rows.

use std::sync::Arc;

use deltalake::arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use md5::{Digest, Md5};

/// What stands between the values of a row.
const SEPARATOR: &str = "||";

/// MD5 of the texts of each row, joined by `||`, a null as an empty text; 32 digits, lower case.
///
/// Source: pipelines.md 2.4, step 5.
pub(super) fn row_hashes(columns: &[ArrayRef]) -> ArrayRef {
    let rows = columns.first().map_or(0, |column| column.len());
    let columns: Vec<&StringArray> = columns.iter().map(|column| column.as_string::<i32>()).collect();
    let mut hashes = StringBuilder::with_capacity(rows, rows * 32);
    let mut text = String::new();
    let mut digits = [0; 32];
    for row in 0..rows {
        text.clear();
        for (number, column) in columns.iter().enumerate() {
            if number > 0 {
                text.push_str(SEPARATOR);
            }
            if column.is_valid(row) {
                text.push_str(column.value(row));
            }
        }
        hex::encode_to_slice(Md5::digest(&text), &mut digits).expect("16 bytes have 32 digits");
        hashes.append_value(std::str::from_utf8(&digits).expect("digits are text"));
    }
    Arc::new(hashes.finish())
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
