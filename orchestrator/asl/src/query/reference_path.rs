//! A path to one place, and putting a value there.

use serde_json::{Map, Value};

use super::path::{Path, Step};
use super::{EvalError, java_text};

/// Indexes a reference path may name; an array is filled up to the index with nulls.
const INDEX_MAX: usize = 10_000;

/// A path to one place: what `ResultPath` takes.
#[derive(Clone, Debug)]
pub struct ReferencePath {
    path: Path,
}

impl ReferencePath {
    /// Reads a reference path; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = Path::parse(text)?;
        if path.is_context() || path.variable().is_some() {
            return Err(format!("'{text}' must be a path on the state's input, beginning with '$.' or '$['"));
        }
        match path.reference_steps() {
            None => Err(format!("'{text}' must lead to one place: only names and non-negative indexes are allowed")),
            Some(steps) if steps.iter().any(|step| matches!(step, Step::Index(index) if *index > INDEX_MAX)) => {
                Err(format!("'{text}' has an index above {INDEX_MAX}"))
            }
            Some(_) => Ok(Self { path }),
        }
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        self.path.text()
    }

    /// `target` with `value` put at this place; objects on the way are made.
    ///
    /// Fails with `States.ResultPathMatchFailure` where something that is neither object nor array is in the way.
    pub fn insert(&self, target: &Value, value: Value) -> Result<Value, EvalError> {
        let steps = self.path.reference_steps().unwrap_or_default();
        let mut result = target.clone();
        let mut place = &mut result;
        for step in &steps {
            // A missing member was made as null by the step before; an explicit null is filled in the same way.
            if place.is_null() {
                *place = match step {
                    Step::Name(_) => Value::Object(Map::new()),
                    Step::Index(_) => Value::Array(Vec::new()),
                };
            }
            place = match (step, place) {
                (Step::Name(name), Value::Object(members)) => members.entry(*name).or_insert(Value::Null),
                (Step::Index(index), Value::Array(items)) => {
                    if items.len() <= *index {
                        items.resize(index + 1, Value::Null);
                    }
                    &mut items[*index]
                }
                (_, in_the_way) => {
                    return Err(EvalError {
                        error: "States.ResultPathMatchFailure",
                        cause: format!(
                            "Unable to apply ReferencePath {} to input {}",
                            self.text(),
                            if in_the_way.is_object() || in_the_way.is_array() {
                                target.to_string()
                            } else {
                                java_text::text(target)
                            }
                        ),
                        location: None,
                    });
                }
            };
        }
        *place = value;
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::query::testing::Scene;

    #[test]
    fn values_go_where_the_path_says() {
        for (path, target, expected) in [
            ("$", json!({"a": 1}), json!("v")),
            ("$.b", json!({"a": 1}), json!({"a": 1, "b": "v"})),
            ("$.a", json!({"a": 1, "b": 2}), json!({"a": "v", "b": 2})),
            ("$.x.y['z w']", json!({"a": 1}), json!({"a": 1, "x": {"y": {"z w": "v"}}})),
            ("$.a[1]", json!({"a": [1, 2]}), json!({"a": [1, "v"]})),
            ("$.a[2]", json!({"a": [1]}), json!({"a": [1, null, "v"]})),
            ("$.a[0].b", json!({}), json!({"a": [{"b": "v"}]})),
            ("$[0]", json!([1, 2]), json!(["v", 2])),
            ("$.a", json!(null), json!({"a": "v"})),
        ] {
            let result = ReferencePath::parse(path).unwrap().insert(&target, json!("v"));
            assert_eq!(result, Ok(expected), "{path} in {target}");
        }
    }

    #[test]
    fn keys_keep_their_order() {
        let result = ReferencePath::parse("$.b").unwrap().insert(&json!({"c": 1, "b": 2, "a": 3}), json!(9)).unwrap();
        assert_eq!(result.to_string(), r#"{"c":1,"b":9,"a":3}"#);
    }

    #[test]
    fn impossible_places_are_failures() {
        for (path, target) in [
            ("$.a", json!("text")),
            ("$.a", json!([1])),
            ("$.a.b", json!({"a": 1})),
            ("$.a[0]", json!({"a": {}})),
            ("$[0]", json!({"a": {}})),
        ] {
            let error = ReferencePath::parse(path).unwrap().insert(&target, json!(1)).unwrap_err();
            assert_eq!(error.error, "States.ResultPathMatchFailure", "{path} in {target}");
        }
    }

    #[test]
    fn only_single_places_are_reference_paths() {
        for text in [
            "$.a[*]",
            "$..a",
            "$.a[0:1]",
            "$.a[?(@.b)]",
            "$['a','b']",
            "$.a[0,1]",
            "$$.a",
            "$a",
            "$a.b",
            "a",
            "$.a[-1]",
            "$[99999]",
        ] {
            assert!(ReferencePath::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_inserted_is_found_again(
            names in proptest::collection::vec("[a-z]{1,3}|'[^'\\\\]{1,4}'", 1..5),
            index in proptest::option::of(0_usize..4),
            number in any::<i64>(),
        ) {
            let mut text = String::from("$");
            for name in &names {
                match name.strip_prefix('\'') {
                    Some(_) => text.push_str(&format!("[{name}]")),
                    None => text.push_str(&format!(".{name}")),
                }
            }
            if let Some(index) = index {
                text.push_str(&format!("[{index}]"));
            }
            let value = json!({"n": number});
            let result = ReferencePath::parse(&text).unwrap().insert(&json!({"kept": true}), value.clone()).unwrap();
            let found = Path::parse(&text).unwrap().evaluate("InputPath", &Scene::on(result).data());
            prop_assert_eq!(found, Ok(value));
        }
    }
}
