//! Numbers from text, and rounding.

/// A number from text as people write it: currency signs, letters, blanks and thousands separators are dropped, `(x)` is
/// −x, an exponent stays one. `None` for anything else, and for what is not finite.
///
/// Source: pipelines.md 2.4, step 4.
pub fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    // Most are plain; Rust also reads `inf` and `nan`, which are none.
    if text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte)) {
        return finite(text);
    }
    let mut kept = String::with_capacity(text.len());
    let chars: Vec<char> = text.chars().collect();
    for (at, &c) in chars.iter().enumerate() {
        match c {
            'e' | 'E' if is_exponent(&chars, at) => kept.push('e'),
            '\u{2212}' => kept.push('-'),
            ',' | '\'' | '\u{2019}' | '_' => {}
            c if c.is_whitespace() || c.is_alphabetic() || is_currency(c) => {}
            c => kept.push(c),
        }
    }
    match kept.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        // What is negative already is not an accountant's bracket.
        Some(inner) => finite(inner).filter(|value| value.is_sign_positive()).map(|value| -value),
        None => finite(&kept),
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Whether the `e` at a place is between a digit and a digit, perhaps with a sign.
fn is_exponent(chars: &[char], at: usize) -> bool {
    let digit = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(char::is_ascii_digit);
    let signed = chars.get(at + 1).is_some_and(|c| "+-".contains(*c));
    let before = digit(at.checked_sub(1)) || at > 0 && chars[at - 1] == '.';
    before && digit(Some(if signed { at + 2 } else { at + 1 }))
}

fn is_currency(c: char) -> bool {
    matches!(c, '$' | '\u{a2}'..='\u{a5}' | '\u{20a0}'..='\u{20cf}' | '\u{fdfc}' | '\u{fe69}' | '\u{ff04}' | '\u{ffe5}')
}

/// The number rounded to `decimals` places, halves away from zero, as its decimal text reads: 2.675 becomes 2.68, although
/// the double is a little less. Negative `decimals` round to tens, hundreds, …
///
/// Source: pipelines.md 0.2.
pub fn round_half_away(value: f64, decimals: i32) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    rounded_far_from_a_half(value, decimals).unwrap_or_else(|| rounded_by_text(value, decimals))
}

/// [`round_half_away`] of most numbers: those whose text and double lie on the same side of the half, as they do where the half
/// is farther away than multiplying can be wrong.
fn rounded_far_from_a_half(value: f64, decimals: i32) -> Option<f64> {
    /// Powers of ten up to this one are exact, and so is what divides by them.
    const DECIMALS_MAX: i32 = 22;
    /// Below it neighbours are 2⁻¹² apart at most.
    const SCALED_MAX: f64 = (1u64 << 40) as f64;
    const WRONG_MAX: f64 = 1e-3;
    if !(0..=DECIMALS_MAX).contains(&decimals) {
        return None;
    }
    let scale = 10f64.powi(decimals);
    let scaled = value.abs() * scale;
    if scaled >= SCALED_MAX || (scaled.fract() - 0.5).abs() < WRONG_MAX {
        return None;
    }
    let magnitude = scaled.round() / scale;
    // No negative zero.
    Some(if value < 0.0 && magnitude != 0.0 { -magnitude } else { magnitude })
}

fn rounded_by_text(value: f64, decimals: i32) -> f64 {
    // Shortest digits that give the number back: `-d.ddde±x`.
    let text = format!("{:e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a small integer");
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
    // So many leading digits stay; the next one decides.
    let kept = exponent.saturating_add(1).saturating_add(decimals);
    if kept >= digits.len() as i32 {
        return value;
    }
    if kept < 0 {
        return 0.0;
    }
    let kept = kept as usize;
    let mut rounded: u64 = digits[..kept].iter().fold(0, |number, &digit| number * 10 + u64::from(digit));
    if digits[kept] >= 5 {
        rounded += 1;
    }
    let magnitude: f64 = format!("{rounded}e{}", -decimals).parse().expect("digits and an exponent are a number");
    // No negative zero.
    if value < 0.0 && magnitude != 0.0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, expected) in [
            ("3.0", Some(3.0)),
            ("1.5E7", Some(1.5e7)),
            ("5.02372e+07", Some(50_237_200.0)),
            (" $1,413.15 ", Some(1413.15)),
            ("(12.30)", Some(-12.3)),
            ("($1,000)", Some(-1000.0)),
            ("$(12.30)", Some(-12.3)),
            ("(12.30) USD", Some(-12.3)),
            ("((5))", None),
            ("12F", Some(12.0)),
            ("12E", Some(12.0)),
            ("(-5)", None),
            ("-$5", Some(-5.0)),
            ("EUR 12.50", Some(12.5)),
            ("12.50 eur", Some(12.5)),
            ("\u{20ac}\u{a0}7", Some(7.0)),
            ("1 234 567", Some(1_234_567.0)),
            ("\u{2212}4 pcs", Some(-4.0)),
            ("1.5e3 USD", Some(1500.0)),
            ("N/A", None),
            ("nan", None),
            ("inf", None),
            ("1e999", None),
            ("", None),
            ("$", None),
            ("1.2.3", None),
            ("5-", None),
        ] {
            assert_eq!(parse_number(text), expected, "{text:?}");
        }
    }

    #[test]
    fn halves_round_away_from_zero_by_their_decimal_text() {
        for (value, decimals, expected) in [
            (0.5, 0, 1.0),
            (-0.5, 0, -1.0),
            (2.5, 0, 3.0),
            (2.675, 2, 2.68),
            (-2.675, 2, -2.68),
            (1.005, 2, 1.01),
            (0.285, 2, 0.29),
            (99.995, 2, 100.0),
            (0.0049, 2, 0.0),
            (-0.0049, 2, 0.0),
            (0.005, 2, 0.01),
            (1234.5, -2, 1200.0),
            (1250.0, -2, 1300.0),
            (60.0, -2, 100.0),
            (1e300, 2, 1e300),
            (1e-300, 2, 0.0),
            (123.0, 2, 123.0),
            (0.0, 2, 0.0),
        ] {
            assert_eq!(round_half_away(value, decimals), expected, "{value} to {decimals}");
        }
    }

    #[test]
    fn what_is_far_from_a_half_is_rounded_as_its_text_is() {
        let mut seed = 11u64;
        let mut far = 0;
        for number in 0..200_000u32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let decimals = (number % 8) as i32 - 1;
            let whole = (seed >> (number % 60)) as f64;
            for value in
                [whole / 1000.0, -whole / 8.0, f64::from_bits((whole / 200.0).to_bits() + 1), f64::from_bits(seed)]
            {
                let by_text = if value.is_finite() && value != 0.0 { rounded_by_text(value, decimals) } else { value };
                let rounded = round_half_away(value, decimals);
                assert_eq!(rounded.to_bits(), by_text.to_bits(), "{value:?} to {decimals}: {rounded:?}, {by_text:?}");
                far += usize::from(rounded_far_from_a_half(value, decimals).is_some());
            }
        }
        assert!(far > 100_000, "{far} were");
    }
}
