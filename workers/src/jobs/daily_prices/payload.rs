//! Reading the payload of a function: objects whose fields are named in every complaint.

use serde_json::{Map, Value};

use crate::job::{Code, JobError};

/// A payload, with the code its faults are reported under.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    fields: &'a Map<String, Value>,
    code: Code,
}

impl<'a> Payload<'a> {
    /// The payload of a value, which must be an object.
    ///
    /// # Errors
    /// `code`, if it is something else.
    pub fn of(value: &'a Value, what: &str, code: Code) -> Result<Self, JobError> {
        match value {
            Value::Object(fields) => Ok(Self { fields, code }),
            other => Err(JobError::new(code, format!("{what} is {}; give an object", kind(other)))),
        }
    }

    /// A field that is neither absent nor null.
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A text, trimmed; blank is absent.
    ///
    /// # Errors
    /// If it is no text.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, JobError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(other) => Err(self.refuse(name, other, "give a text")),
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// If it is absent, blank or no text.
    pub fn required(&self, name: &str) -> Result<&'a str, JobError> {
        self.text(name)?.ok_or_else(|| JobError::new(self.code, format!("`{name}` is required")))
    }

    /// `true` or `false`, also as text; absent is `default`.
    ///
    /// # Errors
    /// For anything else.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, JobError> {
        match self.value(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(other) => Err(self.refuse(name, other, "give true or false")),
        }
    }

    /// A list; absent is empty.
    ///
    /// # Errors
    /// If it is no list.
    pub fn list(&self, name: &str) -> Result<&'a [Value], JobError> {
        match self.value(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(self.refuse(name, other, "give a list")),
        }
    }

    /// An object.
    ///
    /// # Errors
    /// If it is something else.
    pub fn object(&self, name: &str) -> Result<Option<Payload<'a>>, JobError> {
        self.value(name).map(|value| Payload::of(value, &format!("`{name}`"), self.code)).transpose()
    }

    fn refuse(&self, name: &str, value: &Value, remedy: &str) -> JobError {
        JobError::new(self.code, format!("`{name}` is {}; {remedy}", kind(value)))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text that is not understood",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn complaints_name_the_field_and_what_to_give() {
        let value = json!({"text": 5, "flag": "maybe", "list": {}, "object": [], "blank": " ", "null": null});
        let payload = Payload::of(&value, "the input", Code::PreValidationFailed).unwrap();
        for (error, expected) in [
            (payload.text("text").unwrap_err(), "`text` is a number; give a text"),
            (payload.flag("flag", true).unwrap_err(), "`flag` is a text that is not understood; give true or false"),
            (payload.list("list").unwrap_err(), "`list` is an object; give a list"),
            (payload.object("object").unwrap_err(), "`object` is a list; give an object"),
            (payload.required("blank").unwrap_err(), "`blank` is required"),
            (payload.required("null").unwrap_err(), "`null` is required"),
            (
                Payload::of(&json!([]), "the input", Code::GuardInputInvalid).unwrap_err(),
                "the input is a list; give an object",
            ),
        ] {
            assert_eq!(error.message, expected);
        }
        assert!(payload.flag("absent", true).unwrap());
    }
}
