//! A raw transaction: one JSON object per line, its fields in the types of silver, secrets hashed or masked.
//!
//! Source: pipelines.md 4.2.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::lake::read::parse_instant;

/// The texts of a raw record that go to silver as they are, in silver's order.
pub const TEXTS: [&str; 9] = [
    "transaction_id",
    "user_id",
    "product_id",
    "subscription_type",
    "location",
    "device_id",
    "payment_method",
    "currency",
    "referral_code",
];

/// A transaction as silver takes it, before the lookups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// In the order of [`TEXTS`].
    pub texts: [Option<String>; 9],
    /// The session.
    pub session_id: Option<String>,
    /// Microseconds since 1970 in UTC.
    pub event_time: Option<i64>,
    /// The amount in its currency.
    pub amount: Option<f64>,
    /// Whether the user is new.
    pub is_new_user: Option<bool>,
    /// SHA-256 of the address, lower-case hex.
    pub hash_ip: Option<String>,
    /// Whether there is an address that is none; for the quality report.
    pub malformed_ip: bool,
    /// SHA-256 of the card's number.
    pub hash_card_number: Option<String>,
    /// The number, masked.
    pub card_number: Option<String>,
}

/// Reads a line.
///
/// # Errors
/// Why it cannot be used, and what is kept of it.
pub fn parse(line: &[u8]) -> Result<Record, (String, Value)> {
    let Ok(text) = std::str::from_utf8(line) else {
        return Err(("not UTF-8".to_owned(), shown(&String::from_utf8_lossy(line))));
    };
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return Err((format!("not JSON: {error}"), shown(text))),
    };
    let Value::Object(fields) = &value else { return Err(("no JSON object".to_owned(), value)) };
    read(fields).map_err(|reason| (reason, without_secrets(fields)))
}

fn read(fields: &Map<String, Value>) -> Result<Record, String> {
    let mut record = Record::default();
    for (at, name) in TEXTS.iter().enumerate() {
        record.texts[at] = text(fields, name)?;
    }
    record.session_id = text(fields, "session_id")?;
    record.event_time = text(fields, "event_time")?
        .map(|text| {
            parse_instant(&text)
                .ok_or_else(|| format!("event_time is `{text}`, no ISO-8601 time of the years 1 to 9999"))
        })
        .transpose()?;
    record.amount = text(fields, "amount")?.map(|text| number(&text)).transpose()?;
    record.is_new_user = text(fields, "is_new_user")?.map(|text| truth(&text)).transpose()?;
    let address = text(fields, "ip_address")?;
    record.malformed_ip = address.as_deref().is_some_and(|address| !is_address(address));
    record.hash_ip = address.as_deref().map(hashed);
    let card = text(fields, "card_number")?;
    record.hash_card_number = card.as_deref().map(hashed);
    record.card_number = card.as_deref().map(masked);
    Ok(record)
}

/// A text, trimmed; blank is null. Numbers and booleans are taken by their text.
fn text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    let text = match fields.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        Some(Value::Array(_) | Value::Object(_)) => return Err(format!("{name} is no plain value")),
    };
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| format!("amount is `{text}`, no number"))
}

fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("is_new_user is `{text}`, neither true nor false")),
    }
}

/// Four groups of one to three digits.
fn is_address(text: &str) -> bool {
    let group = |group: &str| (1..=3).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').count() == 4 && text.split('.').all(group)
}

fn hashed(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// `**** **** **** 1234`: the last four digits, whatever the length; a number of four digits or fewer shows none.
fn masked(card: &str) -> String {
    let digits: Vec<char> = card.chars().filter(char::is_ascii_digit).collect();
    let shown = if digits.len() > 4 { digits[digits.len() - 4..].iter().collect() } else { "****".to_owned() };
    format!("**** **** **** {shown}")
}

/// What bad records keep of text that could not be read: digits could be a card's, so they do not stay.
fn shown(text: &str) -> Value {
    let text = text.chars().take(super::super::bad_records::RECORD_CHARS_MAX);
    Value::String(text.map(|c| if c.is_ascii_digit() { '#' } else { c }).collect())
}

/// The record with address and card as silver has them.
fn without_secrets(fields: &Map<String, Value>) -> Value {
    let mut fields = fields.clone();
    for (name, hide) in [("ip_address", hashed as fn(&str) -> String), ("card_number", masked)] {
        if let Some(value) = fields.get_mut(name).filter(|value| !value.is_null()) {
            let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            *value = Value::String(hide(plain.trim()));
        }
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_of_any_length_show_at_most_their_last_four_digits() {
        for (card, expected) in [
            ("4811504144914954", "**** **** **** 4954"),
            ("378282246310005", "**** **** **** 0005"),
            ("4000 0566 5566 5556", "**** **** **** 5556"),
            ("123456789012", "**** **** **** 9012"),
            ("1234", "**** **** **** ****"),
            ("n/a", "**** **** **** ****"),
        ] {
            assert_eq!(masked(card), expected, "{card}");
        }
    }

    #[test]
    fn fields_get_the_types_of_silver() {
        let line = br#"{"transaction_id":" t1 ","event_time":"2025-06-11T22:03:03","user_id":"","amount":"12.50","is_new_user":true,"ip_address":"192.0.2.1","card_number":4811504144914954,"country":"x"}"#;
        let record = parse(line).unwrap();
        assert_eq!((record.texts[0].as_deref(), record.texts[1].as_deref()), (Some("t1"), None));
        assert_eq!((record.event_time, record.amount), (Some(1_749_679_383_000_000), Some(12.5)));
        assert_eq!((record.is_new_user, record.malformed_ip), (Some(true), false));
        assert_eq!(
            record.hash_ip.as_deref(),
            Some("37fcff24bf62035b2b08020afc08b4fecd4fcffce57ab23518e3561ff0fe76b9"),
            "the lookup is keyed by it"
        );
        assert_eq!(record.card_number.as_deref(), Some("**** **** **** 4954"));
    }

    #[test]
    fn what_cannot_be_read_is_named_and_kept_without_its_secrets() {
        for (line, reason, kept) in [
            (&b"{\"a\": 4811504144914954"[..], "not JSON", "\"{\\\"a\\\": ################\""),
            (b"[1]", "no JSON object", "[1]"),
            (b"\xff4111", "not UTF-8", "\"\u{fffd}####\""),
            (br#"{"amount":"abc"}"#, "amount is `abc`, no number", r#"{"amount":"abc"}"#),
            (br#"{"event_time":"2024-02-30"}"#, "event_time is `2024-02-30`", r#"{"event_time":"2024-02-30"}"#),
            (br#"{"is_new_user":"maybe"}"#, "is_new_user is `maybe`", r#"{"is_new_user":"maybe"}"#),
            (
                br#"{"user_id":{},"card_number":"4811504144914954"}"#,
                "user_id is no plain value",
                r#"{"user_id":{},"card_number":"**** **** **** 4954"}"#,
            ),
        ] {
            let (said, record) = parse(line).unwrap_err();
            assert!(said.contains(reason), "{said}");
            assert_eq!(record.to_string(), kept, "{reason}");
        }
    }
}
