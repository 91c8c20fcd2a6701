//! Where the quotes of CSV text open and close, by the rules of the parser that takes its records apart.

use std::ops::Range;

use memchr::memchr;

/// Bytes that are looked at one by one: quotes are often near, where setting up a fast search costs more than it saves.
const NEAR_BYTES: usize = 16;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Follows the quotes of a text that comes bit by bit.
///
/// A quote opens at the beginning of a field only: within an unquoted one it is text (`24" Monitor`). Within quotes, two stand
/// for one.
///
/// Source: the states of `csv-core`.
#[derive(Debug)]
pub(super) struct Quotes {
    place: Place,
    /// Bytes so far.
    bytes: u64,
    /// Where the last quote opened.
    opened_at: u64,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// Not within quotes, after this byte.
    Outside { before: u8 },
    /// Within quotes.
    Inside,
    /// Behind a quote within quotes: it closes them, unless another one follows.
    Closing,
}

impl Quotes {
    /// At the beginning of a text.
    pub fn new() -> Quotes {
        Quotes { place: Place::Outside { before: b'\n' }, bytes: 0, opened_at: 0 }
    }

    /// Takes the next bytes and hands out the stretches of them that are outside of quotes.
    pub fn outside(&mut self, text: &[u8], mut stretch: impl FnMut(Range<usize>)) {
        let mut at = if self.bytes == 0 && text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        while at < text.len() {
            match self.place {
                Place::Inside => match quote_in(&text[at..]) {
                    Some(quote) => {
                        at += quote + 1;
                        self.place = Place::Closing;
                    }
                    None => at = text.len(),
                },
                Place::Closing if text[at] == b'"' => {
                    at += 1;
                    self.place = Place::Inside;
                }
                Place::Closing => self.place = Place::Outside { before: b'"' },
                Place::Outside { before } => {
                    let opening = opening(&text[at..], before).map(|quote| at + quote);
                    let end = opening.unwrap_or(text.len());
                    stretch(at..end);
                    at = end;
                    self.place = match opening {
                        Some(quote) => {
                            self.opened_at = self.bytes + quote as u64;
                            at += 1;
                            Place::Inside
                        }
                        None => Place::Outside { before: text[end - 1] },
                    };
                }
            }
        }
        self.bytes += text.len() as u64;
    }

    /// How many bytes before the end of the text the quote stands that is not closed there.
    pub fn open(&self) -> Option<u64> {
        matches!(self.place, Place::Inside).then(|| self.bytes - self.opened_at)
    }
}

/// Whether a text that begins outside of quotes ends within them.
pub(super) fn is_open(text: &[u8]) -> bool {
    let mut quotes = Quotes::new();
    quotes.outside(text, |_| {});
    quotes.open().is_some()
}

/// The first quote that begins a field.
fn opening(text: &[u8], before: u8) -> Option<usize> {
    let mut from = 0;
    loop {
        let quote = from + quote_in(&text[from..])?;
        let before = if quote == 0 { before } else { text[quote - 1] };
        if matches!(before, b',' | b'\n' | b'\r') {
            return Some(quote);
        }
        from = quote + 1;
    }
}

fn quote_in(text: &[u8]) -> Option<usize> {
    let near = text.len().min(NEAR_BYTES);
    match text[..near].iter().position(|&byte| byte == b'"') {
        None if near < text.len() => memchr(b'"', &text[near..]).map(|quote| near + quote),
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is outside of quotes, with `_` for the rest.
    fn outside(text: &[u8], step: usize) -> (String, Option<u64>) {
        let mut quotes = Quotes::new();
        let mut shown = vec![b'_'; text.len()];
        for (number, piece) in text.chunks(step).enumerate() {
            let base = number * step;
            quotes.outside(piece, |stretch| {
                shown[base + stretch.start..base + stretch.end].copy_from_slice(&piece[stretch]);
            });
        }
        (String::from_utf8(shown).unwrap(), quotes.open())
    }

    #[test]
    fn a_quote_opens_at_the_beginning_of_a_field_only() {
        for (text, shown, open) in [
            ("a,b\n", "a,b\n", None),
            ("\"a\nb\",c\n", "_____,c\n", None),
            ("24\" Monitor,\"x\"\n\"y\"", "24\" Monitor,___\n___", None),
            ("\"a\"\"\n\"\"b\",\n", "_________,\n", None),
            ("\"a\"b\"c,\"\n", "___b\"c,__", Some(2)),
            ("\"\",\"\"\"\",\"\"\"", "__,____,___", Some(3)),
            ("a\r\"b\n\"\r\n", "a\r____\r\n", None),
            ("a,\"b\nc", "a,____", Some(4)),
            ("\"", "_", Some(1)),
        ] {
            for step in [1, 2, 3, 100] {
                assert_eq!(outside(text.as_bytes(), step), (shown.to_owned(), open), "{text:?} by {step}");
            }
        }
        assert_eq!(outside(b"\xef\xbb\xbf\"a\nb\"\n", 100).1, None);
    }

    proptest! {
        /// The record that is open at the end would go on: text appended to it makes no other record.
        #[test]
        fn the_parser_sees_the_same_quotes(text in "[a,\"\n\r]{0,40}", step in 1usize..7) {
            let records = |text: &str| -> Vec<Vec<String>> {
                let reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
                reader.into_records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
            };
            let longer = records(&format!("{text}\nx\ny"));
            let goes_on = longer.last().is_some_and(|record| record.last().is_some_and(|field| field.ends_with("x\ny")));
            prop_assert_eq!(outside(text.as_bytes(), step).1.is_some(), goes_on);
        }
    }
}
