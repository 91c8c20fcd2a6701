//! Timestamps of sales files: exact shapes, then a real date and time.

use chrono::NaiveDate;

/// The shapes. `Y` is four digits; `y` two digits of this century; `M D K h m s` two digits; `H` one or two; `P` is AM
/// or PM; `f` a fraction of seconds. Everything else stands for itself.
///
/// Source: pipelines.md 2.7, step 6.
const SHAPES: [&str; 21] = [
    "Y-M-D H:m:s",
    "Y-M-D H:m",
    "Y/M/D H:m:s",
    "Y/M/D H:m",
    "M/D/Y H:m:s",
    "M/D/Y H:m",
    "M/D/Y",
    "Y-M-D",
    "Y/M/D",
    "YMD Kms",
    "YMD",
    "Y-M-DTK:m:s",
    "Y-M-DTK:m:sZ",
    "Y-M-DTK:m:s.f",
    "Y-M-DTK:m:s.fZ",
    "M/D/Y h:mP",
    "D-M-y H:m",
    // Only if the month is impossible, so they come last.
    "D/M/Y H:m:s",
    "D/M/Y H:m",
    "D/M/Y",
    "D/M/Y h:mP",
];

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

#[derive(Default)]
struct Parts {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
    /// `Some(true)` in the afternoon.
    afternoon: Option<bool>,
}

/// Microseconds since 1970 in UTC; `None` if the text has none of the shapes or is no real date and time.
///
/// Slashed dates are month-first; day-first is tried only where there is no such month.
pub(super) fn parse_timestamp(text: &str) -> Option<i64> {
    SHAPES.iter().find_map(|shape| fit(shape.as_bytes(), text.as_bytes())?.micros())
}

/// The parts of a text that has exactly this shape.
fn fit(shape: &[u8], mut text: &[u8]) -> Option<Parts> {
    let mut parts = Parts::default();
    for &mark in shape {
        match mark {
            b'Y' => parts.year = number(&mut text, 4)?,
            b'y' => parts.year = 2000 + number(&mut text, 2)?,
            b'M' => parts.month = number(&mut text, 2)?,
            b'D' => parts.day = number(&mut text, 2)?,
            b'K' | b'h' => parts.hour = number(&mut text, 2)?,
            b'H' => {
                let digits = text.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
                parts.hour = number(&mut text, digits.max(1))?;
            }
            b'm' => parts.minute = number(&mut text, 2)?,
            b's' => parts.second = number(&mut text, 2)?,
            b'f' => parts.micros = fraction(&mut text)?,
            b'P' => {
                let (half, rest) = text.split_at_checked(2)?;
                parts.afternoon = Some(match half {
                    b"AM" | b"am" => false,
                    b"PM" | b"pm" => true,
                    _ => return None,
                });
                text = rest;
            }
            literal => {
                let (first, rest) = text.split_first()?;
                if *first != literal {
                    return None;
                }
                text = rest;
            }
        }
    }
    text.is_empty().then_some(parts)
}

fn number(text: &mut &[u8], digits: usize) -> Option<u32> {
    let (figures, rest) = text.split_at_checked(digits)?;
    *text = rest;
    figures.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')))
}

/// Microseconds of a fraction; finer digits are cut off.
fn fraction(text: &mut &[u8]) -> Option<u32> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (figures, rest) = text.split_at(digits);
    *text = rest;
    if figures.is_empty() {
        return None;
    }
    let figure = |place: usize| figures.get(place).map_or(0, |byte| u32::from(byte - b'0'));
    Some((0..6).fold(0, |value, place| value * 10 + figure(place)))
}

impl Parts {
    fn micros(&self) -> Option<i64> {
        let date = NaiveDate::from_ymd_opt(i32::try_from(self.year).ok()?, self.month, self.day)?;
        let hour = match self.afternoon {
            None if self.hour < 24 => self.hour,
            Some(afternoon) if (1..=12).contains(&self.hour) => self.hour % 12 + if afternoon { 12 } else { 0 },
            _ => return None,
        };
        if self.minute > 59 || self.second > 59 {
            return None;
        }
        let seconds = i64::from((hour * 60 + self.minute) * 60 + self.second);
        Some(i64::from(date.to_epoch_days()) * DAY_MICROS + seconds * 1_000_000 + i64::from(self.micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_understood() {
        for (text, iso) in [
            ("2024-10-16 1:57", "2024-10-16T01:57:00Z"),
            ("2024-10-16 01:57:18", "2024-10-16T01:57:18Z"),
            ("2024/10/16 04:46:31", "2024-10-16T04:46:31Z"),
            ("2024/10/16 4:46", "2024-10-16T04:46:00Z"),
            ("10/16/2024 15:23", "2024-10-16T15:23:00Z"),
            ("10/16/2024 5:55:01", "2024-10-16T05:55:01Z"),
            ("10/16/2024", "2024-10-16T00:00:00Z"),
            ("2024-10-16", "2024-10-16T00:00:00Z"),
            ("2024/10/16", "2024-10-16T00:00:00Z"),
            ("20241016 015718", "2024-10-16T01:57:18Z"),
            ("20241016", "2024-10-16T00:00:00Z"),
            ("2024-10-16T19:30:36", "2024-10-16T19:30:36Z"),
            ("2024-10-16T19:30:36.25Z", "2024-10-16T19:30:36.25Z"),
            ("2024-10-16T19:30:36.123456789", "2024-10-16T19:30:36.123456Z"),
            ("10/16/2024 08:57PM", "2024-10-16T20:57:00Z"),
            ("10/16/2024 12:05AM", "2024-10-16T00:05:00Z"),
            ("10/16/2024 12:05PM", "2024-10-16T12:05:00Z"),
            ("16-10-24 12:05", "2024-10-16T12:05:00Z"),
            ("07-12-24 8:05", "2024-12-07T08:05:00Z"),
            ("05/06/2024", "2024-05-06T00:00:00Z"),
            ("16/10/2024 15:23", "2024-10-16T15:23:00Z"),
            ("16/10/2024 03:23PM", "2024-10-16T15:23:00Z"),
            ("2024-02-29", "2024-02-29T00:00:00Z"),
        ] {
            let expected = chrono::DateTime::parse_from_rfc3339(iso).unwrap().timestamp_micros();
            assert_eq!(parse_timestamp(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_shapes_and_impossible_dates_are_refused() {
        for text in [
            "",
            "soon",
            "2024/02/30 25:61",
            "2024-13-01 00:00",
            "06/31/2024 12:00",
            "2024-02-30",
            "2023-02-29",
            "2024-1-2",
            "2024-10-16 24:00",
            "2024-10-16 12:60",
            "2024-10-16 12:00:60",
            "10/16/2024 00:10AM",
            "10/16/2024 13:10PM",
            "10/16/2024 8:57PM",
            "2024-10-16T19:30:36.",
            "2024-10-16T19:30:36+02:00",
            "2024-10-16 ",
            "16-10-2024 12:05",
            "20241016 0157",
            "２024-10-16",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }
}
