//! JSON as a page shows it: folded, coloured, cut when it is large. JSON within texts is unfolded too, and the cause of a
//! failure is said in words before its JSON.

use std::fmt::{self, Write};

use askama::filters::HtmlSafe;
use serde_json::Value;

use super::failure::known_cause;

/// What a text of JSON may hold before it is cut.
const SHOWN_BYTES_MAX: usize = 48 * 1024;
/// What one string may hold before it is cut.
const STRING_CHARS_MAX: usize = 1_000;
/// Entries of one array or object before the rest is counted only.
const ENTRIES_MAX: usize = 200;
/// JSON in texts in JSON in texts ...: deeper ones stay texts.
const NESTED_DEPTH_MAX: usize = 8;
/// How deep objects are open at first.
const OPEN_DEPTH: usize = 2;

/// A value ready for a page.
#[derive(Clone, Debug, Default)]
pub struct Json {
    /// The markup of the tree.
    tree: String,
    /// The whole text, indented, for copying; empty when it was cut.
    pub text: String,
    /// Whether something is missing from the tree.
    pub cut: bool,
}

impl Json {
    /// From a text that should be JSON; one that is not is shown as it is.
    pub fn of_text(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(value) => Self::of(&value),
            Err(_) => Self::of(&Value::String(text.to_owned())),
        }
    }

    /// From a value.
    pub fn of(value: &Value) -> Self {
        let mut json = Self::default();
        let mut budget = SHOWN_BYTES_MAX;
        json.value(value, None, 0, &mut budget);
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        if text.len() <= 4 * SHOWN_BYTES_MAX {
            json.text = text;
        }
        json
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// `key` is the name the value stands under.
    fn value(&mut self, value: &Value, key: Option<&str>, depth: usize, budget: &mut usize) {
        if *budget == 0 {
            self.cut = true;
            self.tree.push_str("<span class=\"j-cut\">…</span>");
            return;
        }
        match value {
            Value::Null => self.scalar("null", "null", budget),
            Value::Bool(yes) => self.scalar("bool", if *yes { "true" } else { "false" }, budget),
            Value::Number(number) => self.scalar("num", &number.to_string(), budget),
            Value::String(text) => self.text(text, key, depth, budget),
            Value::Array(items) if items.is_empty() => self.scalar("brace", "[]", budget),
            Value::Object(entries) if entries.is_empty() => self.scalar("brace", "{}", budget),
            Value::Array(items) => {
                self.open('[', &format!("{} items", items.len()), depth);
                for item in items.iter().take(ENTRIES_MAX) {
                    self.tree.push_str("<li>");
                    self.value(item, None, depth + 1, budget);
                    self.tree.push_str("</li>");
                }
                self.close(']', items.len());
            }
            Value::Object(entries) => {
                let keys: Vec<&str> = entries.keys().take(4).map(String::as_str).collect();
                self.open('{', &keys.join(", "), depth);
                for (key, item) in entries.iter().take(ENTRIES_MAX) {
                    self.tree.push_str("<li><span class=\"j-key\">");
                    escape(key, &mut self.tree);
                    self.tree.push_str("</span>: ");
                    self.value(item, Some(key), depth + 1, budget);
                    self.tree.push_str("</li>");
                    *budget = budget.saturating_sub(key.len());
                }
                self.close('}', entries.len());
            }
        }
    }

    /// A text: in words if it is the cause of a failure, unfolded if it is JSON.
    fn text(&mut self, text: &str, key: Option<&str>, depth: usize, budget: &mut usize) {
        let may_nest = depth < NESTED_DEPTH_MAX && text.len() <= SHOWN_BYTES_MAX && text.starts_with(['{', '[']);
        let Some(nested) = may_nest.then(|| serde_json::from_str::<Value>(text).ok()).flatten() else {
            return self.string(text, budget);
        };
        let is_cause = key.is_some_and(|key| key.eq_ignore_ascii_case("cause"));
        if let Some(failure) = is_cause.then(|| known_cause(text)).flatten() {
            self.tree.push_str("<span class=\"j-cause\"><b class=\"code\">");
            escape(&failure.code, &mut self.tree);
            self.tree.push_str("</b> ");
            escape(&failure.message, &mut self.tree);
            for (name, value) in &failure.figures {
                self.tree.push_str(" <span class=\"field\"><i>");
                escape(name, &mut self.tree);
                self.tree.push_str("</i> ");
                escape(value, &mut self.tree);
                self.tree.push_str("</span>");
            }
            self.tree.push_str("</span> ");
        }
        self.tree.push_str("<span class=\"j-as\" title=\"In the data this is a text that holds JSON\">text</span> ");
        // Causes are folded: what they say stands before them.
        self.value(&nested, None, if is_cause { OPEN_DEPTH } else { depth }, budget);
    }

    fn open(&mut self, brace: char, hint: &str, depth: usize) {
        let open = if depth < OPEN_DEPTH { " open" } else { "" };
        let _ = write!(self.tree, "<details class=\"j\"{open}><summary>{brace}<span class=\"j-hint\">");
        escape(hint, &mut self.tree);
        self.tree.push_str("</span></summary><ul>");
    }

    fn close(&mut self, brace: char, entries: usize) {
        if entries > ENTRIES_MAX {
            self.cut = true;
            let _ = write!(self.tree, "<li class=\"j-cut\">… and {} more</li>", entries - ENTRIES_MAX);
        }
        let _ = write!(self.tree, "</ul><span class=\"j-end\">{brace}</span></details>");
    }

    fn scalar(&mut self, class: &str, text: &str, budget: &mut usize) {
        let _ = write!(self.tree, "<span class=\"j-{class}\">{text}</span>");
        *budget = budget.saturating_sub(text.len());
    }

    fn string(&mut self, text: &str, budget: &mut usize) {
        self.tree.push_str("<span class=\"j-str\">\"");
        match text.char_indices().nth(STRING_CHARS_MAX) {
            None => escape(text, &mut self.tree),
            Some((end, _)) => {
                self.cut = true;
                escape(&text[..end], &mut self.tree);
                let _ = write!(self.tree, "<span class=\"j-cut\">… {} characters in all</span>", text.chars().count());
            }
        }
        self.tree.push_str("\"</span>");
        *budget = budget.saturating_sub(text.len().min(STRING_CHARS_MAX));
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tree)
    }
}

impl HtmlSafe for Json {}

/// Appends `text` so that HTML takes it as text.
pub fn escape(text: &str, html: &mut String) {
    for letter in text.chars() {
        match letter {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn markup_in_values_and_keys_stays_text() {
        let html = Json::of(&json!({ "<b>": "<script>alert(1)</script>" })).to_string();
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&lt;script&gt;"), "{html}");
    }

    #[test]
    fn large_values_are_cut_and_say_so() {
        for value in [json!("x".repeat(5_000)), json!(vec![1; 500]), json!(vec!["y".repeat(900); 100])] {
            let json = Json::of(&value);
            assert!(json.cut);
            assert!(json.to_string().len() < 4 * SHOWN_BYTES_MAX);
        }
        assert!(!Json::of(&json!({ "ds": "2025-09-05" })).cut);
    }

    #[test]
    fn text_that_is_no_json_is_shown_as_it_is() {
        assert_eq!(Json::of_text("oh no").to_string(), "<span class=\"j-str\">\"oh no\"</span>");
    }

    #[test]
    fn json_in_texts_is_unfolded_and_causes_are_said() {
        let html = Json::of(&json!({ "input": "{\"ds\":\"2025-09-05\"}" })).to_string();
        assert!(html.contains("<span class=\"j-key\">ds</span>"), "{html}");
        let cause = json!({ "JobName": "etl", "ErrorMessage": "DQ_FAILED: 12 % <b>" }).to_string();
        let html = Json::of(&json!({ "caught": { "Error": "States.TaskFailed", "Cause": cause } })).to_string();
        assert!(html.contains("<b class=\"code\">DQ_FAILED</b> 12 % &lt;b&gt;"), "{html}");
        assert!(html.contains("<i>job</i> etl"), "{html}");
        assert_eq!(Json::of(&json!("{no json")).to_string(), "<span class=\"j-str\">\"{no json\"</span>");
    }

    #[test]
    fn deep_objects_are_folded() {
        let html = Json::of(&json!({ "a": { "b": { "c": 1 } } })).to_string();
        assert_eq!(html.matches("<details class=\"j\" open>").count(), 2);
        assert_eq!(html.matches("<details class=\"j\">").count(), 1);
    }
}
