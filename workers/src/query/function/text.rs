//! Values as text, in one form each, so that hashes of them are the same everywhere.

use chrono::DateTime;

/// The shortest text that reads back as the number: at least one decimal, no exponent; `None` if it is not finite.
///
/// Source: pipelines.md 2.4, step 5.
pub fn text_of_float(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    let mut text = value.to_string();
    if !text.contains('.') {
        text.push_str(".0");
    }
    Some(text)
}

/// `YYYY-MM-DD HH:MM:SS` of microseconds since 1970, UTC; a fraction only if there is one, without trailing zeros.
///
/// Source: pipelines.md 2.4, step 5.
pub fn text_of_timestamp(micros: i64) -> String {
    let Some(at) = DateTime::from_timestamp_micros(micros) else { return String::new() };
    let text = at.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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

    #[test]
    fn instants_have_one_text_each() {
        for (micros, text) in [
            (1_729_092_180_000_000, "2024-10-16 15:23:00"),
            (1_729_092_180_500_000, "2024-10-16 15:23:00.5"),
            (1_729_092_200_000_001, "2024-10-16 15:23:20.000001"),
            (-1, "1969-12-31 23:59:59.999999"),
        ] {
            assert_eq!(text_of_timestamp(micros), text);
        }
    }
}
