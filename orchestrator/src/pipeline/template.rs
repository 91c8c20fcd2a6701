//! The input of one run, from the sheet's template.
//!
//! A text that is one placeholder and nothing else takes the value as it is (`"${reprocess}"` becomes `true`); inside a
//! longer text a value is written out.

use serde_json::{Map, Value};

/// What placeholders stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    /// `${<key>}` and its value: the partition.
    pub partition: (&'a str, &'a str),
    /// `${reprocess}`.
    pub reprocess: bool,
    /// `${environment}`.
    pub environment: &'a str,
    /// `${env.<key>}`.
    pub env: &'a Value,
}

/// The template with its placeholders replaced; the error is the name nobody knows.
pub(super) fn render(template: &Value, values: &Values<'_>) -> Result<Value, String> {
    match template {
        Value::String(text) => render_text(text, values),
        Value::Array(items) => {
            items.iter().map(|item| render(item, values)).collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| Ok((key.clone(), render(value, values)?)))
            .collect::<Result<Map<_, _>, String>>()
            .map(Value::Object),
        other => Ok(other.clone()),
    }
}

fn render_text(text: &str, values: &Values<'_>) -> Result<Value, String> {
    if let Some(name) =
        text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).filter(|name| !name.contains('{'))
    {
        return lookup(name, values);
    }
    let mut rendered = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or_else(|| rest.to_owned())?;
        rendered.push_str(before);
        match lookup(name, values)? {
            Value::String(value) => rendered.push_str(&value),
            other => rendered.push_str(&other.to_string()),
        }
        rest = after;
    }
    rendered.push_str(rest);
    Ok(Value::String(rendered))
}

fn lookup(name: &str, values: &Values<'_>) -> Result<Value, String> {
    match name {
        "reprocess" => Ok(values.reprocess.into()),
        "environment" => Ok(values.environment.into()),
        name if name == values.partition.0 => Ok(values.partition.1.into()),
        _ => name.strip_prefix("env.").and_then(|key| values.env.get(key)).cloned().ok_or_else(|| name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_are_replaced_with_their_type() {
        let env = json!({ "bucket": "raw", "n": 3 });
        let values = Values { partition: ("ds", "2024-12-07"), reprocess: true, environment: "dev", env: &env };
        for (template, expected) in [
            (json!("${ds}"), Ok(json!("2024-12-07"))),
            (json!({ "a": ["${reprocess}", "${env.n}"], "b": 1 }), Ok(json!({ "a": [true, 3], "b": 1 }))),
            (json!("s3://${environment}-${env.bucket}/${env.n}"), Ok(json!("s3://dev-raw/3"))),
            (json!("plain $ {ds}"), Ok(json!("plain $ {ds}"))),
            (json!("${env.nothing}"), Err("env.nothing".to_owned())),
            (json!("x${day}"), Err("day".to_owned())),
        ] {
            assert_eq!(render(&template, &values), expected, "{template}");
        }
    }
}
