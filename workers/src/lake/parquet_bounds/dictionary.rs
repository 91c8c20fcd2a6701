//! The long entries of a dictionary, and how often a page means them.
//!
//! Source: parquet-format, Encodings, 0, 3 and 8.

use std::collections::HashMap;

use super::LONG_BYTES;
use super::delta::{bits, varint};

/// Texts of a dictionary that are long: their lengths by their numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LongEntries(HashMap<u64, u64>);

impl LongEntries {
    /// Of a dictionary of so many texts, each behind its length.
    pub fn of(dictionary: &[u8], count: u64) -> LongEntries {
        let mut entries = HashMap::new();
        let mut rest = dictionary;
        for index in 0..count {
            let Some((length, texts)) = rest.split_first_chunk::<4>() else { break };
            let length = u32::from_le_bytes(*length);
            let Some(after) = usize::try_from(length).ok().and_then(|length| texts.get(length..)) else { break };
            rest = after;
            if u64::from(length) > LONG_BYTES {
                entries.insert(index, u64::from(length));
            }
        }
        LongEntries(entries)
    }

    /// Whether no entry is long.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the long ones among so many values of a page take, in bytes. A page has the width of its indices in bits, then
    /// runs of one index and groups of eight.
    pub fn bytes_of(&self, values: &[u8], count: u64) -> u64 {
        let Some((width, runs)) = values.split_first() else { return 0 };
        let length = |index: Option<u64>| index.and_then(|index| self.0.get(&index)).copied().unwrap_or_default();
        let mut sum = 0_u64;
        let (mut at, mut left) = (0, count);
        while left > 0 {
            let Some(head) = varint(runs, &mut at) else { break };
            let is_run = head & 1 == 0 || *width == 0;
            let run = if head & 1 == 0 { head >> 1 } else { (head >> 1).saturating_mul(8) };
            let Some(bit) = (at as u64).checked_mul(8) else { break };
            let here = run.min(left);
            // A run's index has whole bytes.
            let index_bits = width.div_ceil(8).saturating_mul(8);
            if is_run {
                sum = sum.saturating_add(length(bits(runs, bit, index_bits)).saturating_mul(here));
            } else {
                for value in 0..here {
                    // Beyond the end there is none, nor behind it.
                    let Some(index) = bits(runs, bit + value * u64::from(*width), *width) else { break };
                    sum = sum.saturating_add(length(Some(index)));
                }
            }
            left -= here;
            let run_bits = if is_run { u64::from(index_bits) } else { run.saturating_mul(u64::from(*width)) };
            let Some(next) = usize::try_from(run_bits.div_ceil(8)).ok().and_then(|bytes| at.checked_add(bytes)) else {
                break;
            };
            at = next;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_entries_count_as_often_as_they_are_meant() {
        let long = u32::try_from(LONG_BYTES).unwrap() + 1;
        let text = |length: u32| [&length.to_le_bytes()[..], &vec![b'x'; length as usize]].concat();
        let dictionary = [text(3), text(long), text(0), text(long + 1)].concat();
        let entries = LongEntries::of(&dictionary, 4);
        let (one, three) = (u64::from(long), u64::from(long) + 1);
        assert_eq!(entries, LongEntries(HashMap::from([(1, one), (3, three)])));
        assert_eq!(LongEntries::of(&dictionary[..dictionary.len() - 1], 4).0.len(), 1, "the last is cut off");
        assert_eq!(LongEntries::of(&dictionary, 2).0.len(), 1, "others are not its entries");

        // Two bits: a run of five times entry 1; then eight: 0 1 2 3 0 1 2 3; then a run of entry 3.
        let page = [2, 10, 1, 3, 0b1110_0100, 0b1110_0100, 6, 3];
        for (count, sum) in [(16, 7 * one + 5 * three), (13, 7 * one + 2 * three), (6, 5 * one), (2, 2 * one), (0, 0)] {
            assert_eq!(entries.bytes_of(&page, count), sum, "{count}");
        }
        assert_eq!(entries.bytes_of(&page[..5], 13), 6 * one + three, "cut off after four of eight");
        assert_eq!(LongEntries::of(&text(long), 1).bytes_of(&[0, 3], 8), 8 * one, "no bits are needed for one entry");
        for nothing in [&[][..], &[2], &[70, 10, 1], &[2, 10, 2]] {
            assert_eq!(entries.bytes_of(nothing, 10), 0, "{nothing:?}");
        }
    }
}
