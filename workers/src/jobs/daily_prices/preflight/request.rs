//! What preflight is asked for: the payload, checked field by field.

use std::sync::LazyLock;

use chrono::NaiveDate;
use percent_encoding::percent_decode_str;
use regex::Regex;
use serde_json::Value;

use super::config::Config;
use crate::job::{Code, JobError, parse_date};
use crate::jobs::daily_prices::crawler::Policy;
use crate::jobs::daily_prices::payload::Payload;

/// Object names that start a run unless the payload says otherwise.
const ALLOWED_SUFFIXES: [&str; 4] = [".json", ".csv", ".parquet", ".gz"];

/// A checked payload.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which days.
    pub days: Days,
    /// Domain of the table.
    pub domain: String,
    /// The prices table.
    pub table: String,
    /// The indicators table.
    pub indicators_table: String,
    /// Interval of the prices.
    pub interval: String,
    /// Source of the prices.
    pub data_source: String,
    /// Format of the raw objects.
    pub file_type: String,
    /// When the catalog is updated.
    pub catalog_update: Policy,
    /// Whether a processed day is processed again.
    pub reprocess: bool,
    /// Label of the environment.
    pub environment: String,
    /// The raw bucket, if the payload names one.
    pub raw_bucket: Option<String>,
}

/// The days asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Days {
    /// One.
    One(NaiveDate),
    /// First and last, in order.
    Range(NaiveDate, NaiveDate),
    /// None: an object arrived that is not input.
    Ignored(String),
}

impl Request {
    /// Checks a payload.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` naming the field and the remedy.
    ///
    /// Source: pipelines.md 1.4, steps 1 to 3.
    pub fn parse(input: &Value, config: &Config) -> Result<Self, JobError> {
        let payload = Payload::of(input, "the input", Code::PreValidationFailed)?;
        let key = payload.text("source_key")?.map(|key| percent_decode_str(key).decode_utf8_lossy().into_owned());
        let from_key = |name: &str| {
            let key = key.as_deref()?;
            key.split('/').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        let named = |name: &str| -> Result<String, JobError> {
            let value = payload.text(name)?.map(str::to_owned).or_else(|| from_key(name));
            checked(name, value.ok_or_else(|| refused(format!("`{name}` is required, here or in `source_key`")))?)
        };
        let interval = named("interval")?;
        let data_source = named("data_source")?;
        let domain = checked("domain", payload.required("domain")?.to_owned())?;
        let table = match payload.text("table_name")? {
            Some(table) => table,
            None => payload.text("table")?.ok_or_else(|| refused("`table_name` is required".to_owned()))?,
        };
        let table = checked("table_name", table.to_owned())?;
        let indicators_table = payload.text("indicators_table_name")?.unwrap_or(&config.indicators_table).to_owned();
        let policy = payload.text("catalog_update")?.unwrap_or(&config.catalog_update);
        Ok(Self {
            days: days(payload, key.as_deref())?,
            domain,
            table,
            indicators_table: checked("indicators_table_name", indicators_table)?,
            interval,
            data_source,
            file_type: payload.text("file_type")?.unwrap_or("json").to_ascii_lowercase(),
            catalog_update: policy.parse()?,
            reprocess: payload.flag("reprocess", false)?,
            environment: payload.text("environment")?.unwrap_or(&config.environment).to_owned(),
            raw_bucket: payload.text("raw_bucket")?.map(str::to_owned),
        })
    }
}

fn days(payload: Payload<'_>, key: Option<&str>) -> Result<Days, JobError> {
    if let Some(range) = payload.object("date_range")? {
        let (start, end) =
            (date("date_range.start", range.required("start")?)?, date("date_range.end", range.required("end")?)?);
        return Ok(Days::Range(start.min(end), start.max(end)));
    }
    if let Some(ds) = payload.text("ds")? {
        return Ok(Days::One(date("ds", ds)?));
    }
    let (Some(_), Some(key)) = (payload.text("source_bucket")?, key) else {
        return Err(refused(
            "no day is given; give `ds`, `date_range`, or `source_bucket` and `source_key`".to_owned(),
        ));
    };
    let allowed =
        match payload.list("allowed_suffixes")? {
            [] => ALLOWED_SUFFIXES.map(str::to_owned).to_vec(),
            given => given.iter().map(|suffix| suffix.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(
                || refused("`allowed_suffixes` holds something that is no text; give a list of texts".to_owned()),
            )?,
        };
    let lower = key.to_lowercase();
    if !allowed.iter().any(|suffix| lower.ends_with(&suffix.to_lowercase())) {
        return Ok(Days::Ignored(format!("`{key}` ends in none of {}", allowed.join(", "))));
    }
    day_of_key(key).map(Days::One)
}

fn day_of_key(key: &str) -> Result<NaiveDate, JobError> {
    static PARTS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:^|/)year=(\d{4})/month=(\d{1,2})/day=(\d{1,2})(?:/|$)").expect("a fixed pattern")
    });
    static LEGACY: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?:^|/)ingestion_date=(\d{4}-\d{2}-\d{2})(?:/|$)").expect("a fixed pattern"));
    if let Some(found) = PARTS.captures(key) {
        let (_, [year, month, day]) = found.extract();
        return date("source_key", &format!("{year}-{month:0>2}-{day:0>2}"));
    }
    match LEGACY.captures(key) {
        Some(found) => date("source_key", &found[1]),
        None => Err(refused(format!("`source_key` names no day (year=/month=/day= or ingestion_date=): `{key}`"))),
    }
}

fn date(name: &str, text: &str) -> Result<NaiveDate, JobError> {
    parse_date(text).ok_or_else(|| refused(format!("`{name}` is `{text}`; give a calendar date as YYYY-MM-DD")))
}

/// A name that becomes part of a path.
fn checked(name: &str, value: String) -> Result<String, JobError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if value.chars().all(legal) && !value.starts_with(['.', '_']) && value.len() <= 128 {
        return Ok(value);
    }
    Err(refused(format!(
        "`{name}` is `{}`; give at most 128 letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
        value.escape_debug()
    )))
}

fn refused(message: String) -> JobError {
    JobError::new(Code::PreValidationFailed, message)
}
