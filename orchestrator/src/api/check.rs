//! The constraints of the service's model, with its words.
//!
//! A request may break several; the answer names them all: `2 validation errors detected: …; …`.

use super::error::ApiError;

/// Gathers what a request breaks.
#[derive(Debug, Default)]
pub(super) struct Check(Vec<String>);

impl Check {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A member that must be there, with its length in characters.
    pub(super) fn required(&mut self, member: &str, value: &Option<String>, min: usize, max: usize) -> String {
        match value {
            Some(text) => {
                self.length(member, text, min, max);
                text.clone()
            }
            None => {
                self.break_rule("null", member, "Member must not be null");
                String::new()
            }
        }
    }

    /// A member that may be there.
    pub(super) fn optional(&mut self, member: &str, value: &Option<String>, min: usize, max: usize) {
        if let Some(text) = value {
            self.length(member, text, min, max);
        }
    }

    fn length(&mut self, member: &str, text: &str, min: usize, max: usize) {
        let length = text.chars().count();
        if length < min {
            self.break_rule(text, member, &format!("Member must have length greater than or equal to {min}"));
        } else if length > max {
            self.break_rule(text, member, &format!("Member must have length less than or equal to {max}"));
        }
    }

    /// `maxResults`: how many items a page holds; 0 is the default of 100.
    pub(super) fn max_results(&mut self, value: Option<i64>, max: i64) -> u32 {
        let value = value.unwrap_or(0);
        if value < 0 {
            self.break_rule(&value.to_string(), "maxResults", "Member must have value greater than or equal to 0");
        } else if value > max {
            self.break_rule(
                &value.to_string(),
                "maxResults",
                &format!("Member must have value less than or equal to {max}"),
            );
        }
        u32::try_from(value).unwrap_or(0)
    }

    /// A member that is one of these words.
    pub(super) fn one_of(&mut self, member: &str, value: &Option<String>, words: &[&str]) {
        if let Some(value) = value
            && !words.contains(&value.as_str())
        {
            let words = words.join(", ");
            self.break_rule(value, member, &format!("Member must satisfy enum value set: [{words}]"));
        }
    }

    fn break_rule(&mut self, value: &str, member: &str, rule: &str) {
        let value = if value == "null" { "null".to_owned() } else { format!("'{value}'") };
        self.0.push(format!("Value {value} at '{member}' failed to satisfy constraint: {rule}"));
    }

    /// All that is broken, or nothing.
    pub(super) fn done(self) -> Result<(), ApiError> {
        match self.0.len() {
            0 => Ok(()),
            1 => Err(ApiError::validation(format!("1 validation error detected: {}", self.0[0]))),
            n => Err(ApiError::validation(format!("{n} validation errors detected: {}", self.0.join("; ")))),
        }
    }
}

/// A name of a machine, execution, activity or worker: `InvalidName` for a character that AWS forbids.
///
/// Source: `CreateStateMachine`, parameter `name`.
pub(super) fn name(name: &str) -> Result<(), ApiError> {
    let forbidden = |c: char| {
        c.is_whitespace()
            || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c)
            || matches!(c as u32, 0..=0x1F | 0x7F..=0x9F | 0xFFFE..=0xFFFF | 0x10FFFF)
    };
    if name.chars().any(forbidden) { Err(ApiError::invalid_name(name)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{Check, name};

    #[test]
    fn every_broken_rule_is_named() {
        let mut check = Check::new();
        check.max_results(Some(1001), 1000);
        check.one_of("statusFilter", &Some("succeeded".to_owned()), &["SUCCEEDED", "RUNNING"]);
        let error = check.done().expect_err("two rules are broken").to_string();
        assert_eq!(
            error,
            "ValidationException: 2 validation errors detected: Value '1001' at 'maxResults' failed to satisfy constraint: \
             Member must have value less than or equal to 1000; Value 'succeeded' at 'statusFilter' failed to satisfy \
             constraint: Member must satisfy enum value set: [SUCCEEDED, RUNNING]"
        );
    }

    #[test]
    fn names_keep_to_the_allowed_characters() {
        for good in ["daily-prices", "a.b_c", "Ünïcode", "1"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["a b", "a/b", "a:b", "a\u{7f}", "a\u{fffe}", "a{", "a\n"] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
