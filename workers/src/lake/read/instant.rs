//! ISO-8601 instants.

use chrono::NaiveDate;

/// Microseconds of a day.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;
/// The first and the last microsecond whose UTC date has a year of four digits, from 0001: others have no partition.
const MICROS_MIN: i64 = -62_135_596_800_000_000;
const MICROS_MAX: i64 = 253_402_300_799_999_999;

/// Microseconds since 1970-01-01T00:00:00Z of an ISO-8601 instant: a date, optionally `T` or a space and a time to
/// minutes, seconds or fractions (beyond microseconds they are cut off), optionally `Z` or an offset. Without one it is
/// UTC. `None` if the text is none, or no real date or time, or not of the years 1 to 9999 in UTC.
pub fn parse_instant(text: &str) -> Option<i64> {
    parse(text).filter(|micros| (MICROS_MIN..=MICROS_MAX).contains(micros))
}

fn parse(text: &str) -> Option<i64> {
    let bytes = text.trim().as_bytes();
    let (date, rest) = bytes.split_at_checked(10)?;
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&date[..4])?, digits(&date[5..7])?, digits(&date[8..])?);
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    let days = i64::from(date.to_epoch_days());
    if rest.is_empty() {
        return Some(days * MICROS_PER_DAY);
    }
    let rest = rest.strip_prefix(b"T").or_else(|| rest.strip_prefix(b"t")).or_else(|| rest.strip_prefix(b" "))?;
    let zone_at = rest.iter().position(|b| b"Zz+-".contains(b)).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone_at);
    Some(days * MICROS_PER_DAY + time_micros(time.trim_ascii_end())? - offset_micros(zone)?)
}

fn time_micros(time: &[u8]) -> Option<i64> {
    let (clock, fraction) = match time.iter().position(|&b| b == b'.' || b == b',') {
        Some(dot) => (&time[..dot], &time[dot + 1..]),
        None => (time, &b"0"[..]),
    };
    let (hour, minute, second) = match clock.len() {
        5 if clock[2] == b':' => (digits(&clock[..2])?, digits(&clock[3..])?, 0),
        8 if clock[2] == b':' && clock[5] == b':' => {
            (digits(&clock[..2])?, digits(&clock[3..5])?, digits(&clock[6..])?)
        }
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 || fraction.is_empty() || clock.len() == 5 && fraction != b"0" {
        return None;
    }
    let mut micros = 0;
    for place in 0..6.max(fraction.len()) {
        let digit = match fraction.get(place) {
            Some(byte) if byte.is_ascii_digit() => i64::from(byte - b'0'),
            Some(_) => return None,
            None => 0,
        };
        if place < 6 {
            micros = micros * 10 + digit;
        }
    }
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

fn offset_micros(zone: &[u8]) -> Option<i64> {
    let (sign, figures) = match zone {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', figures @ ..] => (1, figures),
        [b'-', figures @ ..] => (-1, figures),
        _ => return None,
    };
    let (hours, minutes) = match figures {
        [_, _] => (digits(figures)?, 0),
        [_, _, _, _] => (digits(&figures[..2])?, digits(&figures[2..])?),
        [_, _, b':', _, _] => (digits(&figures[..2])?, digits(&figures[3..])?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes) * 60_000_000)
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::parse_instant;
    use chrono::DateTime;

    #[test]
    fn iso_instants_are_understood_and_others_refused() {
        for (text, rfc3339) in [
            ("2012-05-18T00:00:00Z", "2012-05-18T00:00:00Z"),
            ("2012-05-18T00:00:00+00:00", "2012-05-18T00:00:00Z"),
            ("2012-05-18", "2012-05-18T00:00:00Z"),
            (" 2012-05-18 13:45 ", "2012-05-18T13:45:00Z"),
            ("2012-05-18T13:45:06.1", "2012-05-18T13:45:06.1Z"),
            ("2012-05-18T13:45:06.123456789-04:30", "2012-05-18T18:15:06.123456Z"),
            ("2012-05-18T01:00:00+0200", "2012-05-17T23:00:00Z"),
            ("2012-05-18T01:00:00 +02", "2012-05-17T23:00:00Z"),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
            ("2024-02-29", "2024-02-29T00:00:00Z"),
            ("0001-01-01", "0001-01-01T00:00:00Z"),
            ("9999-12-31T18:59:59.999999-05:00", "9999-12-31T23:59:59.999999Z"),
        ] {
            let expected = DateTime::parse_from_rfc3339(rfc3339).unwrap().timestamp_micros();
            assert_eq!(parse_instant(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "x",
            "2023-02-29",
            "2012-13-01",
            "2012-05-18T",
            "2012-05-18T24:00:00",
            "2012-05-18T00:60:00",
            "20120518",
            "1337299200",
            "2012-05-18X00:00:00",
            "2012-05-18T00:00:00+",
            "2012-05-18T00:00:00+1",
            "18.05.2012",
            "2012-05-18T00:00:0é",
            "2012-05-18T00:00:00.",
            "2012-05-18T00:00.5",
            "２012-05-18",
            "0000-12-31",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-05:00",
        ] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }
}
