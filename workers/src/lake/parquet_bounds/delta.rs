//! Numbers as differences (`DELTA_BINARY_PACKED`), and what texts take whose lengths are such numbers
//! (`DELTA_BYTE_ARRAY`).
//!
//! Source: parquet-format, Encodings, 5 and 7.

use super::LONG_BYTES;

/// The numbers of a stream, one by one: as many as it counts may come out of a few bytes.
#[derive(Clone, Debug)]
pub(super) struct Delta<'a> {
    bytes: &'a [u8],
    /// The next block or part of one.
    at: usize,
    count: u64,
    left: u64,
    first: Option<i64>,
    last: i64,
    part_values: u64,
    parts: usize,
    /// Of the block: what all its differences have in common, and the bits of the parts to come.
    min: i64,
    widths: &'a [u8],
    /// Of the part: where its next difference is, in bits.
    bit: u64,
    width: u8,
    part_left: u64,
}

impl<'a> Delta<'a> {
    /// A stream at the beginning of `bytes`; `None` if there is none.
    pub fn parse(bytes: &'a [u8]) -> Option<Delta<'a>> {
        let mut at = 0;
        let block_values = varint(bytes, &mut at)?;
        let parts = varint(bytes, &mut at)?;
        let count = varint(bytes, &mut at)?;
        let first = zigzag(bytes, &mut at)?;
        let part_values = block_values.checked_div(parts).filter(|values| *values > 0 && values % 8 == 0)?;
        Some(Delta {
            bytes,
            at,
            count,
            left: count,
            first: Some(first),
            last: 0,
            part_values,
            parts: usize::try_from(parts).ok()?,
            min: 0,
            widths: &[],
            bit: 0,
            width: 0,
            part_left: 0,
        })
    }

    /// How many numbers it says it has.
    pub fn numbers(&self) -> u64 {
        self.count
    }

    /// Where the bytes after it begin.
    fn end(mut self) -> Option<usize> {
        let mut left = self.left.saturating_sub(1);
        while left > 0 {
            self.next_part()?;
            left = left.saturating_sub(self.part_values);
        }
        // Widths of parts without numbers are there, their bits are not.
        Some(self.at)
    }

    fn next_part(&mut self) -> Option<()> {
        if self.widths.is_empty() {
            self.min = zigzag(self.bytes, &mut self.at)?;
            let end = self.at.checked_add(self.parts)?;
            self.widths = self.bytes.get(self.at..end)?;
            self.at = end;
        }
        let (width, widths) = self.widths.split_first()?;
        (self.width, self.widths) = (*width, widths);
        self.part_left = self.part_values;
        self.bit = (self.at as u64).checked_mul(8)?;
        let part_bytes = self.part_values.checked_mul(u64::from(*width))? / 8;
        self.at = self.at.checked_add(usize::try_from(part_bytes).ok()?)?;
        Some(())
    }
}

impl Iterator for Delta<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        if let Some(first) = self.first.take() {
            self.last = first;
            return Some(first);
        }
        if self.part_left == 0 {
            self.next_part()?;
        }
        self.part_left -= 1;
        let difference = bits(self.bytes, self.bit, self.width)?;
        self.bit += u64::from(self.width);
        self.last = self.last.wrapping_add(self.min).wrapping_add(difference.cast_signed());
        Some(self.last)
    }
}

/// What texts share with those before them, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefixes {
    /// All of them.
    pub bytes: u64,
    /// Those of long texts.
    pub long_bytes: u64,
}

impl Prefixes {
    /// Of the texts of a page; `None` if they are none.
    pub fn of(values: &[u8]) -> Option<Prefixes> {
        let prefixes = Delta::parse(values)?;
        let suffixes = Delta::parse(values.get(prefixes.clone().end()?..)?)?;
        let mut sums = Prefixes::default();
        let (mut last, mut stored) = (0, 0);
        for (prefix, suffix) in prefixes.zip(suffixes) {
            // Decoders count in 32 bits, and take no more than there is.
            let prefix = u64::from(prefix as u32).min(last);
            let suffix = u64::from(suffix as u32);
            stored += suffix;
            if stored > values.len() as u64 {
                break;
            }
            last = prefix + suffix;
            sums.bytes = sums.bytes.saturating_add(prefix);
            if last > LONG_BYTES {
                sums.long_bytes = sums.long_bytes.saturating_add(prefix);
            }
        }
        Some(sums)
    }
}

/// So many bits from a position on, the lowest first; `None` beyond the end.
pub(super) fn bits(bytes: &[u8], at: u64, width: u8) -> Option<u64> {
    let (first, shift) = (usize::try_from(at / 8).ok()?, at % 8);
    let end = usize::try_from((at + u64::from(width)).div_ceil(8)).ok()?;
    let mut window = [0; 16];
    let found = bytes.get(first..end.max(first))?;
    window.get_mut(..found.len())?.copy_from_slice(found);
    let mask = u64::MAX.checked_shr(u64::BITS.checked_sub(u32::from(width))?).unwrap_or_default();
    Some((u128::from_le_bytes(window) >> shift) as u64 & mask)
}

/// A number in groups of seven bits, the lowest first.
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn zigzag(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let value = varint(bytes, at)?;
    Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_as_the_specification_writes_them() {
        // Its examples: 1 to 5, and 7 5 3 1 2 3 4 5; blocks of 128 in four parts.
        let one_to_five = [0x80, 1, 4, 5, 2, 2, 0, 0, 0, 0];
        assert_eq!(Delta::parse(&one_to_five).unwrap().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        // The smallest difference is -2; beyond it are 0 0 0 3 3 3 3 in two bits each.
        let down_and_up = [0x80, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0b1100_0000, 0b0011_1111, 0, 0, 0, 0, 0, 0, 9];
        let stream = Delta::parse(&down_and_up).unwrap();
        assert_eq!(stream.clone().end(), Some(18), "eight bytes of 32 differences");
        assert_eq!(stream.collect::<Vec<_>>(), [7, 5, 3, 1, 2, 3, 4, 5]);
        for (bytes, numbers, why) in [
            (&one_to_five[..5], Some(vec![1]), "no block"),
            (&one_to_five[..4], None, "no first number"),
            (&[0, 4, 5, 2], None, "parts of no numbers"),
            (&[0x80, 1, 0, 5, 2], None, "no parts"),
            (&[0x80, 1, 4, 0, 2], Some(vec![]), "no numbers"),
        ] {
            assert_eq!(Delta::parse(bytes).map(|stream| stream.collect::<Vec<_>>()), numbers, "{why}");
        }
    }

    #[test]
    fn texts_share_what_is_there_to_share() {
        // A stream of two numbers: the first, and a difference.
        let two = |first: u8, difference: u8| vec![0x80, 1, 4, 2, first << 1, difference << 1, 0, 0, 0, 0];
        for (prefixes, suffixes, text, bytes) in [
            (two(0, 5), two(5, 2), 12, 5),
            // The first has none before it, and the other no more than seven.
            (two(5, 40), two(7, 0), 14, 7),
            // More than the page holds.
            (two(0, 5), two(60, 0), 5, 0),
        ] {
            let page = [prefixes, suffixes, vec![b'x'; text]].concat();
            assert_eq!(Prefixes::of(&page).unwrap(), Prefixes { bytes, long_bytes: 0 }, "{page:?}");
        }
    }
}
