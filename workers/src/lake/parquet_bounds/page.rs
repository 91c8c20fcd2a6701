//! The header of a page, as far as it tells what decoding the page takes.
//!
//! The decoders parse headers for themselves and set aside what they claim; this looks first. What cannot be parsed is
//! left to them: they refuse it.
//!
//! Source: parquet-format, `PageHeader`; the compact protocol of Thrift.

/// Structures within structures of a header, at most.
const DEPTH_MAX: u8 = 8;

/// What a page header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// Of the header itself.
    pub length: usize,
    /// Size of the page as it is decoded.
    pub decoded_bytes: u64,
    /// Size of the page as it is stored.
    pub stored_bytes: u64,
    /// Values of a data page, nulls included; entries of a dictionary.
    pub values: u64,
    /// Whether it is a dictionary.
    pub is_dictionary: bool,
    /// How the values of a data page are written.
    pub encoding: Option<i64>,
    /// Of a page of version 2: the bytes before the compressed ones.
    pub levels_bytes: u64,
}

/// Types of the compact protocol.
const BOOLEAN_TRUE: u8 = 1;
const BOOLEAN_FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;

const DICTIONARY_PAGE: i64 = 2;

/// Encodings of data pages whose size says little about their values.
pub(super) const PLAIN_DICTIONARY: i64 = 2;
pub(super) const DELTA_BINARY_PACKED: i64 = 5;
pub(super) const DELTA_LENGTH_BYTE_ARRAY: i64 = 6;
pub(super) const DELTA_BYTE_ARRAY: i64 = 7;
pub(super) const RLE_DICTIONARY: i64 = 8;

/// The header at the beginning of `bytes`; `None` if there is none.
pub(super) fn parse(bytes: &[u8]) -> Option<PageHeader> {
    let mut input = Input { bytes, at: 0 };
    let mut header = PageHeader::default();
    let (mut decoded, mut stored) = (None, None);
    let mut last = 0;
    while let Some((id, kind)) = input.field(&mut last)? {
        match (id, kind) {
            (1, I32) => header.is_dictionary = input.zigzag()? == DICTIONARY_PAGE,
            (2, I32) => decoded = Some(u64::try_from(input.zigzag()?).ok()?),
            (3, I32) => stored = Some(u64::try_from(input.zigzag()?).ok()?),
            // Data page, dictionary page, data page of version 2.
            (5 | 7 | 8, STRUCT) => details(&mut input, &mut header, id)?,
            _ => input.skip(kind, 0)?,
        }
    }
    Some(PageHeader { length: input.at, decoded_bytes: decoded?, stored_bytes: stored?, ..header })
}

/// The header's part about the kind of page it is of.
fn details(input: &mut Input<'_>, header: &mut PageHeader, part: i64) -> Option<()> {
    let (is_dictionary, is_version_2) = (part == 7, part == 8);
    let mut last = 0;
    while let Some((id, kind)) = input.field(&mut last)? {
        match (id, kind) {
            (1, I32) => header.values = u64::try_from(input.zigzag()?).ok()?,
            (2, I32) if !is_dictionary && !is_version_2 => header.encoding = Some(input.zigzag()?),
            (4, I32) if is_version_2 => header.encoding = Some(input.zigzag()?),
            (5 | 6, I32) if is_version_2 => header.levels_bytes += u64::try_from(input.zigzag()?).ok()?,
            _ => input.skip(kind, 0)?,
        }
    }
    Some(())
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn advance(&mut self, count: u64) -> Option<()> {
        self.at = self.at.checked_add(usize::try_from(count).ok()?).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// The next field's number and type; `Some(None)` at the end of the structure.
    fn field(&mut self, last: &mut i64) -> Option<Option<(i64, u8)>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        let (delta, kind) = (byte >> 4, byte & 0x0f);
        *last = if delta == 0 { self.zigzag()? } else { *last + i64::from(delta) };
        Some(Some((*last, kind)))
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Option<()> {
        match kind {
            BOOLEAN_TRUE | BOOLEAN_FALSE => Some(()),
            BYTE => self.advance(1),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.advance(8),
            BINARY => {
                let length = self.varint()?;
                self.advance(length)
            }
            LIST | SET if depth < DEPTH_MAX => {
                let byte = self.byte()?;
                let count = if byte >> 4 == 15 { self.varint()? } else { u64::from(byte >> 4) };
                for _ in 0..count {
                    match byte & 0x0f {
                        // In a list a boolean has a byte of its own.
                        BOOLEAN_TRUE | BOOLEAN_FALSE => self.advance(1)?,
                        kind => self.skip(kind, depth + 1)?,
                    }
                }
                Some(())
            }
            STRUCT if depth < DEPTH_MAX => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, depth + 1)?;
                }
                Some(())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_others_are_none() {
        // type = 0, uncompressed = 3000, compressed = 40, data page {values = 10, encoding, levels}.
        let data = [0x15, 0x00, 0x15, 0xf0, 0x2e, 0x15, 0x50, 0x2c, 0x15, 0x14, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0];
        let header = parse(&data).unwrap();
        let expected = PageHeader {
            length: data.len(),
            decoded_bytes: 3000,
            stored_bytes: 40,
            values: 10,
            is_dictionary: false,
            encoding: Some(0),
            levels_bytes: 0,
        };
        assert_eq!(header, expected);
        let dictionary = [0x15, 0x04, 0x15, 0x20, 0x15, 0x20, 0x4c, 0x15, 0x02, 0x15, 0, 0, 0];
        assert!(parse(&dictionary).is_some_and(|header| header.is_dictionary && header.values == 1));
        // type = 3, sizes 16, data page of version 2 {values = 10, nulls, rows = 10, encoding = 7, levels of 2 and 1 bytes}.
        let version_2 =
            [0x15, 6, 0x15, 32, 0x15, 32, 0x5c, 0x15, 20, 0x15, 0, 0x15, 20, 0x15, 14, 0x15, 4, 0x15, 2, 0, 0];
        let header = parse(&version_2).unwrap();
        assert_eq!((header.values, header.encoding, header.levels_bytes), (10, Some(DELTA_BYTE_ARRAY), 3));
        let nested = [0x19_u8, 0xfc].repeat(40);
        for (bytes, why) in [
            (&data[..9], "cut off"),
            (&[0x15, 0x00, 0x00][..], "without sizes"),
            (&[0x15, 0, 0x15, 0x01, 0x15, 0x50, 0], "of a negative size"),
            (&[0xff; 20], "of no known type"),
            (&nested, "nested without end"),
            (&[], "empty"),
        ] {
            assert_eq!(parse(bytes), None, "{why}");
        }
    }
}
