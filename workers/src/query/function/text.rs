//! Values as text, in one form each, so that hashes of them are the same everywhere.

use std::fmt::Write;
use std::sync::Arc;

use chrono::{Datelike, NaiveDate};
use deltalake::arrow::array::{Array, ArrayRef, AsArray, StringArray};

use crate::lake::read::MICROS_PER_DAY;

/// The shortest text that reads back as the number: at least one decimal, no exponent; `None` if it is not finite.
///
/// Source: pipelines.md 2.4, step 5.
pub fn text_of_float(value: f64) -> Option<String> {
    let mut text = String::new();
    push_float(&mut text, value).then_some(text)
}

/// `YYYY-MM-DD HH:MM:SS` of microseconds since 1970, UTC; a fraction only if there is one, without trailing zeros.
///
/// Source: pipelines.md 2.4, step 5.
pub fn text_of_timestamp(micros: i64) -> String {
    let mut text = String::with_capacity(26);
    push_timestamp(&mut text, micros);
    text
}

/// Texts without white space around them; null where nothing is left. Nearly all come so, and then nothing is copied.
pub(super) fn labels(values: &ArrayRef) -> ArrayRef {
    let texts = values.as_string::<i32>();
    let bytes = texts.value_data();
    // Only letters beyond ASCII, and white space, need a closer look.
    let plain = |byte: u8| byte.is_ascii_graphic();
    let is_label = |row: usize, ends: &[i32]| match &bytes[ends[0] as usize..ends[1] as usize] {
        [] => false,
        text if plain(text[0]) && plain(text[text.len() - 1]) => true,
        text => texts.value(row).trim().len() == text.len(),
    };
    let is_label = |(row, ends)| texts.is_null(row) || is_label(row, ends);
    if texts.value_offsets().windows(2).enumerate().all(is_label) {
        return values.clone();
    }
    let labels = texts.iter().map(|text| text.map(str::trim).filter(|text| !text.is_empty()));
    Arc::new(labels.collect::<StringArray>())
}

/// Appends [`text_of_float`]; whether there is one.
pub(super) fn push_float(text: &mut String, value: f64) -> bool {
    if !value.is_finite() {
        return false;
    }
    // Most are amounts of money. Texts of up to 15 digits are of different numbers, so one that reads back is the shortest.
    let hundredths = (value.abs() * 100.0).round();
    if (1.0..1e15).contains(&hundredths) && hundredths / 100.0 == value.abs() {
        let hundredths = hundredths as u64;
        if value < 0.0 {
            text.push('-');
        }
        text.push_str(itoa::Buffer::new().format(hundredths / 100));
        text.push('.');
        push_two_digits(text, hundredths % 100);
        if hundredths.is_multiple_of(10) {
            text.pop();
        }
        return true;
    }
    let begin = text.len();
    write!(text, "{value}").expect("text takes everything");
    if !text[begin..].contains('.') {
        text.push_str(".0");
    }
    true
}

/// Appends [`text_of_timestamp`]. Hashes are made of millions of these: a format string is not read for each.
pub(super) fn push_timestamp(text: &mut String, micros: i64) {
    let day = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok().and_then(NaiveDate::from_epoch_days);
    let Some(day) = day else { return };
    match u64::try_from(day.year()) {
        Ok(year @ 0..=9999) => push_digits(text, year, 4),
        _ => write!(text, "{}", day.format("%Y")).expect("text takes everything"),
    }
    let micros = micros.rem_euclid(MICROS_PER_DAY).unsigned_abs();
    let second = micros / 1_000_000;
    for (before, number) in [
        ('-', day.month().into()),
        ('-', day.day().into()),
        (' ', second / 3_600),
        (':', second / 60 % 60),
        (':', second % 60),
    ] {
        text.push(before);
        push_two_digits(text, number);
    }
    let fraction = micros % 1_000_000;
    if fraction != 0 {
        text.push('.');
        push_digits(text, fraction, 6);
        text.truncate(text.trim_end_matches('0').len());
    }
}

/// Appends a number below 100.
fn push_two_digits(text: &mut String, number: u64) {
    let digits = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
    text.push_str(std::str::from_utf8(&digits).expect("digits are text"));
}

/// Appends the last `count` digits of a number.
fn push_digits(text: &mut String, number: u64, count: u32) {
    for place in (0..count).rev() {
        let digit = number / 10u64.pow(place) % 10;
        text.push(char::from(b'0' + digit as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_text_each() {
        for (value, text) in [
            (5.0, "5.0"),
            (295.66, "295.66"),
            (-0.1, "-0.1"),
            (1e21, "1000000000000000000000.0"),
            (1.5e-7, "0.00000015"),
            (0.1 + 0.2, "0.30000000000000004"),
        ] {
            assert_eq!(text_of_float(value).as_deref(), Some(text));
        }
        assert_eq!(text_of_float(f64::NAN), None);
    }

    /// The shortest digits that read back are what Rust itself writes.
    #[test]
    fn amounts_have_the_text_of_any_other_number() {
        let mut seed = 7u64;
        for number in 0..200_000u32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let hundredths = (seed >> (number % 60)) as f64;
            let exact = hundredths / 100.0;
            for value in [exact, -exact, exact * 1.000_000_1, f64::from_bits(exact.to_bits() + 1), hundredths] {
                let plain = value.to_string();
                let expected = if plain.contains('.') { plain } else { format!("{plain}.0") };
                assert_eq!(text_of_float(value), Some(expected), "{value:?}");
            }
        }
    }

    #[test]
    fn instants_have_one_text_each() {
        for (micros, text) in [
            (1_729_092_180_000_000, "2024-10-16 15:23:00"),
            (1_729_092_180_500_000, "2024-10-16 15:23:00.5"),
            (1_729_092_200_000_001, "2024-10-16 15:23:20.000001"),
            (-1, "1969-12-31 23:59:59.999999"),
            (-62_135_596_800_000_000, "0001-01-01 00:00:00"),
            (-62_198_755_200_000_000, "-0001-01-01 00:00:00"),
            (253_402_300_800_000_000, "+10000-01-01 00:00:00"),
        ] {
            assert_eq!(text_of_timestamp(micros), text);
        }
    }
}
