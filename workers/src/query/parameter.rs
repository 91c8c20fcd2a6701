//! Parameters of statements: `${name}` becomes a literal.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

use crate::job::{Code, JobError};

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A number; null if it is not finite.
    Float(f64),
    /// A date.
    Date(NaiveDate),
    /// An instant, to the microsecond.
    Timestamp(DateTime<Utc>),
    /// True or false.
    Boolean(bool),
    /// Null.
    Null,
    /// Several, for `in (${dates})`; none are one null, which equals nothing.
    List(Vec<Value>),
}

macro_rules! from {
    ($($source:ty => $variant:ident),* $(,)?) => {
        $(impl From<$source> for Value {
            fn from(value: $source) -> Value {
                Value::$variant(value.into())
            }
        })*
    };
}

from!(&str => Text, String => Text, &String => Text, i64 => Integer, i32 => Integer, u32 => Integer, f64 => Float,
    NaiveDate => Date, DateTime<Utc> => Timestamp, bool => Boolean);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Value {
        Value::List(values.into_iter().map(Into::into).collect())
    }
}

impl Value {
    fn literal(&self) -> String {
        match self {
            Value::Text(text) => quoted(text),
            // A bare minus would make a comment of `x -${n}`.
            Value::Integer(number) if *number < 0 => format!("cast('{number}' as bigint)"),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) if number.is_finite() => format!("cast('{number:?}' as double)"),
            Value::Float(_) | Value::Null => "null".to_owned(),
            Value::Date(date) => format!("cast('{}' as date)", date.format("%Y-%m-%d")),
            Value::Timestamp(at) => format!("sw_parse_ts('{}')", at.to_rfc3339_opts(SecondsFormat::Micros, true)),
            Value::Boolean(flag) => flag.to_string(),
            Value::List(values) if values.is_empty() => "null".to_owned(),
            Value::List(values) => values.iter().map(Value::literal).collect::<Vec<_>>().join(", "),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The statement with its parameters in it.
///
/// # Errors
/// For `${x}` without a parameter `x`, and a `${` that does not end.
pub(super) fn substitute(sql: &str, parameters: &[(&str, Value)]) -> Result<String, JobError> {
    let refuse = |message: String| JobError::new(Code::UnexpectedError, message);
    let mut whole = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(start) = rest.find("${") {
        whole.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        let end = inner.find('}').ok_or_else(|| refuse("a `${` in a statement has no `}`".to_owned()))?;
        let name = &inner[..end];
        let (_, value) = parameters.iter().find(|(known, _)| *known == name).ok_or_else(|| {
            let known = parameters.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            refuse(format!("a statement asks for the parameter `{name}`; given are: {known}"))
        })?;
        whole.push_str(&value.literal());
        rest = &inner[end + 1..];
    }
    whole.push_str(rest);
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_literals_and_unknown_ones_are_named() {
        for (value, literal) in [
            (Value::from("it's"), "'it''s'"),
            (Value::from("'; drop table x; --"), "'''; drop table x; --'"),
            (Value::from("${b}"), "'${b}'"),
            (Value::from(3), "3"),
            (Value::from(-3), "cast('-3' as bigint)"),
            (Value::from(i64::MIN), "cast('-9223372036854775808' as bigint)"),
            (Value::from(0.1), "cast('0.1' as double)"),
            (Value::from(f64::NAN), "null"),
            (Value::from(None::<&str>), "null"),
            (Value::from(NaiveDate::from_ymd_opt(2024, 2, 29)), "cast('2024-02-29' as date)"),
            (Value::from(true), "true"),
            (Value::from(vec!["a", "b'"]), "'a', 'b'''"),
            (Value::List(Vec::new()), "null"),
        ] {
            assert_eq!(substitute("x = ${a};", &[("a", value)]).unwrap(), format!("x = {literal};"));
        }
        let error = substitute("${x}", &[("a", Value::Null)]).unwrap_err();
        assert!(error.message.contains("`x`") && error.message.contains("given are: a"), "{error}");
        assert!(substitute("${x", &[]).is_err());
    }
}
