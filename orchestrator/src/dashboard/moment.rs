//! Instants and durations as people read them: relative in lists, exact on hover, `1 m 12 s`.

use std::fmt;

use askama::filters::HtmlSafe;
use asl::Timestamp;

/// A duration in milliseconds as text: `420 ms`, `3.2 s`, `41 s`, `1 m 12 s`, `2 h 05 m`, `3 d 4 h`.
pub fn duration(millis: i64) -> String {
    let millis = millis.max(0);
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..10 => format!("{}.{} s", seconds, millis % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// How far `at` is from `now`: `just now`, `3 min ago`, `in 5 h`.
pub fn relative(now: Timestamp, at: Timestamp) -> String {
    let seconds = now.millis().saturating_sub(at.millis()) / 1000;
    let distance = seconds.unsigned_abs();
    let text = match distance {
        0..5 => return "just now".to_owned(),
        5..60 => format!("{distance} s"),
        60..3600 => format!("{} min", distance / 60),
        3600..172_800 => format!("{} h", distance / 3600),
        _ => format!("{} d", distance / 86_400),
    };
    if seconds >= 0 { format!("{text} ago") } else { format!("in {text}") }
}

/// The instant in UTC to the millisecond: `2025-09-05 06:00:03.250 UTC`.
pub fn exact(at: Timestamp) -> String {
    at.to_utc().map_or_else(|| at.to_string(), |time| time.format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string())
}

/// The instant in UTC to the second: `2025-09-05 06:00:03 UTC`.
pub fn full(at: Timestamp) -> String {
    at.to_utc().map_or_else(|| at.to_string(), |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// The time of day in UTC: `06:00:03`.
pub fn clock(at: Timestamp) -> String {
    at.to_utc().map_or_else(|| at.to_string(), |time| time.format("%H:%M:%S").to_string())
}

/// An instant in a page. Its text is relative (kept fresh by the script) or a time of day; the exact one is on hover.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    at: Timestamp,
    now: Option<Timestamp>,
}

impl Moment {
    /// Shown relative to `now`.
    pub const fn ago(at: Timestamp, now: Timestamp) -> Self {
        Self { at, now: Some(now) }
    }

    /// Shown as a time of day, where what is around it says that it is UTC.
    pub const fn clock(at: Timestamp) -> Self {
        Self { at, now: None }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, exact) = (self.at, exact(self.at));
        match self.now {
            Some(now) => {
                let text = relative(now, at);
                write!(f, "<time datetime=\"{at}\" title=\"{exact}\" data-relative>{text}</time>")
            }
            None => write!(f, "<time datetime=\"{at}\" title=\"{exact}\">{}</time>", clock(at)),
        }
    }
}

impl HtmlSafe for Moment {}

/// How long something took, or has taken so far (the script lets it grow).
#[derive(Clone, Copy, Debug)]
pub struct Took {
    from: Timestamp,
    to: Option<Timestamp>,
    now: Timestamp,
}

impl Took {
    /// From `from` to `to`, or to `now` while it is open.
    pub const fn new(from: Timestamp, to: Option<Timestamp>, now: Timestamp) -> Self {
        Self { from, to, now }
    }
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = duration(self.to.unwrap_or(self.now).millis() - self.from.millis());
        match self.to {
            Some(_) => write!(f, "<span class=\"took\">{text}</span>"),
            None => write!(f, "<span class=\"took\" data-since=\"{}\">{text}</span>", self.from),
        }
    }
}

impl HtmlSafe for Took {}

/// A count with thousands separated by commas: `2,500`.
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in bytes: `812 B`, `41.3 KiB`, `1.2 GiB`.
pub fn size(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes.abs() < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        for (millis, text) in [
            (-5, "0 ms"),
            (0, "0 ms"),
            (420, "420 ms"),
            (3_250, "3.2 s"),
            (41_900, "41 s"),
            (72_000, "1 m 12 s"),
            (3_600_000, "1 h 00 m"),
            (7_500_000, "2 h 05 m"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(duration(millis), text, "{millis} ms");
        }
    }

    #[test]
    fn instants_are_relative_in_both_directions() {
        let now = Timestamp::from_millis(1_000_000_000_000);
        for (seconds, text) in [
            (0, "just now"),
            (-12, "12 s ago"),
            (-200, "3 min ago"),
            (-7_300, "2 h ago"),
            (-260_000, "3 d ago"),
            (18_100, "in 5 h"),
        ] {
            assert_eq!(relative(now, now.plus_seconds(seconds)), text, "{seconds} s");
        }
    }

    #[test]
    fn a_moment_holds_the_exact_instant() {
        let at = Timestamp::from_millis(1_757_052_003_250);
        let html = Moment::ago(at, at.plus_seconds(180)).to_string();
        assert_eq!(
            html,
            "<time datetime=\"2025-09-05T06:00:03.250Z\" title=\"2025-09-05 06:00:03.250 UTC\" data-relative>3 min ago</time>"
        );
    }

    #[test]
    fn counts_and_sizes_are_readable() {
        for (number, text) in [(0, "0"), (999, "999"), (2_500, "2,500"), (-1_234_567, "-1,234,567")] {
            assert_eq!(count(number), text);
        }
        for (bytes, text) in [(812, "812 B"), (42_291, "41.3 KiB"), (1_288_490_189, "1.2 GiB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
