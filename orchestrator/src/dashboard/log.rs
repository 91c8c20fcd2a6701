//! A job's log line as a page shows it: level, time, message and fields, whoever wrote it.
//!
//! Jobs of this project write `tracing`'s JSON; jobs of others write what their logger does: JSON with other names for the
//! same things, `2025-09-05T06:00:03Z  WARN text`, or plain text. What is not understood is shown as it is.

use std::fmt;

use askama::Template;
use asl::{TaskId, Timestamp};
use serde_json::Value;

use super::figure;
use super::moment::{clock, exact};
use crate::store::LogLine;

/// Names loggers have for the time, the level and the message of a line, the usual one first.
const TIMES: [&str; 6] = ["timestamp", "time", "ts", "@timestamp", "asctime", "datetime"];
const LEVELS: [&str; 4] = ["level", "levelname", "severity", "lvl"];
const MESSAGES: [&str; 3] = ["message", "msg", "event"];
/// Members that tell where in a program a line was written: nobody looks for them here.
const PLACES: [&str; 11] = [
    "target",
    "filename",
    "line_number",
    "threadName",
    "threadId",
    "span",
    "spans",
    "logger",
    "job.name",
    "execution.arn",
    "state.name",
];
/// Fields of one line that are shown.
const FIELDS_MAX: usize = 16;
/// Characters of one field's value.
const VALUE_CHARS_MAX: usize = 200;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A person should look.
    Error,
    /// Went on, degraded.
    Warn,
    /// What happened.
    Info,
    /// For those who write the job.
    Debug,
    /// The line does not say.
    Unknown,
}

impl Level {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "error" | "err" | "fatal" | "critical" | "panic" => Self::Error,
            "warn" | "warning" => Self::Warn,
            "info" | "notice" => Self::Info,
            "debug" | "trace" => Self::Debug,
            _ => return None,
        })
    }

    /// The end of its CSS class, and its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Unknown => "",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A line.
#[derive(Clone, Debug, Template)]
#[template(path = "log_line.html")]
pub struct LineView {
    /// `06:00:03`.
    pub at: String,
    /// With date and milliseconds.
    pub exact: String,
    /// How much it matters.
    pub level: Level,
    /// `stdout`, `stderr` or `worker`.
    pub stream: String,
    /// What it says.
    pub text: String,
    /// What it says besides, by name.
    pub fields: Vec<(String, String)>,
}

impl LineView {
    /// Reads a line.
    pub fn new(line: &LogLine) -> Self {
        let read = read_json(&line.text).or_else(|| read_text(&line.text));
        let read = read.unwrap_or_else(|| Read { text: line.text.clone(), ..Read::default() });
        let at = read.at.unwrap_or(line.at);
        Self {
            at: clock(at),
            exact: exact(at),
            level: read.level.unwrap_or(if is_panic(&line.text) { Level::Error } else { Level::Unknown }),
            stream: line.stream.clone(),
            text: read.text,
            fields: read.fields,
        }
    }

    /// Reads a line of which only the text is known; it has a time only if it says so.
    pub fn of_text(text: &str) -> Self {
        let never = Timestamp::from_millis(0);
        let line = LogLine { number: 0, task: TaskId(0), at: never, stream: String::new(), text: text.to_owned() };
        let view = Self::new(&line);
        if view.exact == exact(never) { Self { at: String::new(), exact: String::new(), ..view } } else { view }
    }
}

/// All lines of a log.
pub fn lines(log: &[LogLine]) -> Vec<LineView> {
    log.iter().map(LineView::new).collect()
}

#[derive(Debug, Default)]
struct Read {
    at: Option<Timestamp>,
    level: Option<Level>,
    text: String,
    fields: Vec<(String, String)>,
}

/// A line that is a JSON object with a message.
fn read_json(line: &str) -> Option<Read> {
    let line = line.trim();
    if !line.starts_with('{') {
        return None;
    }
    let Ok(Value::Object(mut members)) = serde_json::from_str(line) else { return None };
    // `tracing` without `flatten_event` has the message among the fields.
    if let Some(Value::Object(fields)) = members.remove("fields") {
        members.extend(fields);
    }
    let found = |names: &[&'static str]| names.iter().copied().find(|name| members.contains_key(*name));
    let (text, at, level) = (found(&MESSAGES)?, found(&TIMES), found(&LEVELS));
    // The fields stand in the order of the line.
    let fields = members
        .iter()
        .filter(|(name, value)| {
            let name = Some(name.as_str());
            !value.is_null() && name != Some(text) && name != at && name != level && !is_place(name)
        })
        .take(FIELDS_MAX)
        .map(|(name, value)| {
            let (name, text) = figure::of(name, value).unwrap_or_else(|| (name.clone(), plain(value)));
            (name, shortened(text))
        })
        .collect();
    Some(Read {
        at: at.and_then(|name| instant(&members[name])),
        level: level.and_then(|name| Level::parse(members[name].as_str()?)),
        text: plain(&members[text]),
        fields,
    })
}

fn is_place(name: Option<&str>) -> bool {
    name.is_some_and(|name| PLACES.contains(&name))
}

/// `2025-09-05T06:00:03.250Z  WARN what happened`, the form of `tracing` on a terminal, and `WARNING: what happened`.
fn read_text(line: &str) -> Option<Read> {
    let mut words = line.trim_start().splitn(2, char::is_whitespace);
    let first = words.next()?;
    if let Some(at) = instant(&Value::String(first.to_owned())) {
        let rest = words.next()?.trim_start();
        let (word, text) = rest.split_once(char::is_whitespace)?;
        let level = Level::parse(word.trim_end_matches(':'))?;
        return Some(Read { at: Some(at), level: Some(level), text: text.trim_start().to_owned(), fields: Vec::new() });
    }
    let level = Level::parse(first.trim_start_matches('[').trim_end_matches([':', ']']))?;
    // `Error` may begin a sentence and `critical:` a finding; a level is written in capitals.
    let marked = first.chars().all(|c| c.is_ascii_uppercase() || "[]:".contains(c));
    let text = words.next()?.trim_start().to_owned();
    marked.then(|| Read { level: Some(level), text, ..Read::default() })
}

fn is_panic(line: &str) -> bool {
    line.starts_with("thread '") && line.contains("panicked at")
        || line.starts_with("Traceback (most recent call last)")
}

fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => Some(Timestamp::from(text.parse::<chrono::DateTime<chrono::Utc>>().ok()?)),
        // Seconds or milliseconds: what is beyond the year 5000 in seconds is milliseconds.
        Value::Number(number) => {
            let number = number.as_f64()?;
            Some(Timestamp::from_millis(if number > 1e11 { number } else { number * 1000.0 } as i64))
        }
        _ => None,
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(text: &str) -> LineView {
        LineView::new(&LogLine {
            number: 1,
            task: TaskId(1),
            at: Timestamp::from_millis(1_757_052_003_000),
            stream: "stderr".to_owned(),
            text: text.to_owned(),
        })
    }

    #[test]
    fn lines_of_all_loggers_have_level_time_message_and_fields() {
        for (line, level, at, text, fields) in [
            (
                r#"{"timestamp":"2025-09-05T06:00:07.5Z","level":"WARN","message":"3 rows set aside","row_count":3,"size_bytes":2048,"target":"workers::lake"}"#,
                Level::Warn,
                "06:00:07",
                "3 rows set aside",
                vec![("row count", "3"), ("size", "2.0 KiB")],
            ),
            (
                r#"{"timestamp":"2025-09-05T06:00:07Z","level":"ERROR","fields":{"message":"no such table","table":"prices"}}"#,
                Level::Error,
                "06:00:07",
                "no such table",
                vec![("table", "prices")],
            ),
            (
                r#"{"levelname":"INFO","msg":"from Python","asctime":null}"#,
                Level::Info,
                "06:00:03",
                "from Python",
                vec![],
            ),
            ("2025-09-05T06:00:09.120Z  INFO Published 4 rows", Level::Info, "06:00:09", "Published 4 rows", vec![]),
            ("WARNING: slow storage", Level::Warn, "06:00:03", "slow storage", vec![]),
            ("critical: negative_price 3", Level::Unknown, "06:00:03", "critical: negative_price 3", vec![]),
            ("Error handling is off", Level::Unknown, "06:00:03", "Error handling is off", vec![]),
            (
                "thread 'main' panicked at src/x.rs:1",
                Level::Error,
                "06:00:03",
                "thread 'main' panicked at src/x.rs:1",
                vec![],
            ),
            ("reading 4 files", Level::Unknown, "06:00:03", "reading 4 files", vec![]),
            (r#"{"rows":1}"#, Level::Unknown, "06:00:03", r#"{"rows":1}"#, vec![]),
            ("", Level::Unknown, "06:00:03", "", vec![]),
        ] {
            let view = view(line);
            assert_eq!((view.level, view.at.as_str(), view.text.as_str()), (level, at, text), "{line}");
            let shown: Vec<(&str, &str)> =
                view.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(shown, fields, "{line}");
        }
    }

    #[test]
    fn long_values_are_cut_and_markup_stays_text() {
        let line = view(&serde_json::json!({ "message": "<b>", "note": "x".repeat(5_000) }).to_string());
        assert!(line.fields[0].1.chars().count() < 250);
        assert!(line.render().unwrap().contains("&#60;b&#62;"), "{}", line.render().unwrap());
    }
}
