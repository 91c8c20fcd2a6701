//! The pipeline sheet: a TOML file beside the state machine.
//!
//! What is missing or wrong is an error that names file, field and remedy; a key nobody knows is a warning, so that a
//! newer sheet still runs on an older server.

mod binding;
mod reader;

use std::collections::BTreeMap;

use asl::StateMachine;
use chrono::NaiveTime;
use chrono_tz::Tz;
use serde_json::Value as Json;
use toml::Table;

pub use binding::Bindings;
use reader::Reader;

/// The topic's name without the environment, when the sheet names none. Source: pipelines.md 1.12.
const TOPIC_DEFAULT: &str = "data-platform-alerts";
/// The longest range of one run when the sheet says nothing. Source: pipelines.md 1.11, `MAX_BACKFILL_DAYS`.
const RANGE_DAYS_DEFAULT: u32 = 31;

/// A checked sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// One sentence for people.
    pub description: String,
    /// Whether a failed run raises an alert.
    pub monitored: bool,
    /// The SNS topic's name, without `<environment>-`.
    pub topic: String,
    /// What a partition is.
    pub partition: PartitionRule,
    /// The input of a run of one partition, with `${…}` placeholders.
    pub input: Json,
    /// When runs start by themselves.
    pub schedule: Option<Schedule>,
    /// How many runs at once.
    pub concurrency: Concurrency,
    /// By when a partition should be in.
    pub freshness: Option<Freshness>,
    /// The tables it writes.
    pub tables: Vec<SheetTable>,
    /// Where its jobs and functions run.
    pub bindings: Bindings,
    /// Values by environment.
    pub env: BTreeMap<String, Json>,
}

/// What a partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRule {
    /// The field of the input that names it: `ds`.
    pub key: String,
    /// How often there is one.
    pub cadence: Cadence,
    /// Which of them exist.
    pub calendar: Calendar,
    /// The longest range of one run, in days.
    pub range_days_max: u32,
}

/// How often there is a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// One per day.
    Daily,
}

/// Which days have a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calendar {
    /// All.
    EveryDay,
    /// Monday to Friday.
    Weekdays,
}

/// When runs start by themselves. Declared here; ticking is the scheduler's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Five fields of cron.
    pub cron: String,
    /// In which zone.
    pub time_zone: Tz,
    /// The partition of a tick, in days after its date.
    pub partition_offset_days: i32,
    /// Whether ticks that were missed are run: `all`, `latest` or `none`.
    pub catch_up: String,
}

/// How many runs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// Runs of the pipeline, of different partitions; one partition never has two.
    pub runs_max: u32,
}

/// By when a partition should be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The time of day.
    pub deadline: NaiveTime,
    /// In which zone.
    pub time_zone: Tz,
}

/// A table that the pipeline writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetTable {
    /// Its name in the catalog.
    pub name: String,
    /// The job that writes it, without `<environment>-`.
    pub job: Option<String>,
    /// Whether its rows, bytes and files are the partition's in the ledger.
    pub main: bool,
}

/// What is wrong with a sheet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: `{field}` {problem}; {remedy}")]
pub struct SheetError {
    /// The file's name.
    pub file: String,
    /// The field, `partition.key`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Sheet {
    /// Reads and checks a sheet: the sheet and its warnings, or the first error.
    pub fn parse(file: &str, text: &str) -> Result<(Self, Vec<String>), SheetError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| SheetError {
            file: file.to_owned(),
            field: "the file".to_owned(),
            problem: format!("is not TOML: {}", error.message()),
            remedy: match error.span() {
                Some(span) => format!("look at line {}", text[..span.start].lines().count().max(1)),
                None => "correct it".to_owned(),
            },
        })?;
        let mut reader = Reader::new(file, "", &table);
        let sheet = Self {
            description: reader.text("description")?.unwrap_or_default(),
            monitored: reader.flag("monitored")?.unwrap_or(true),
            topic: reader.text("topic")?.unwrap_or_else(|| TOPIC_DEFAULT.to_owned()),
            partition: reader.section("partition", PartitionRule::read)?.unwrap_or_default(),
            input: reader.json("input")?.unwrap_or_else(|| serde_json::json!({ "ds": "${ds}" })),
            schedule: reader.section("schedule", Schedule::read)?,
            concurrency: reader.section("concurrency", Concurrency::read)?.unwrap_or_default(),
            freshness: reader.section("freshness", Freshness::read)?,
            tables: reader.list("tables", SheetTable::read)?,
            bindings: reader.section("bindings", Bindings::read)?.unwrap_or_default(),
            env: reader.environments()?,
        };
        if sheet.tables.iter().filter(|table| table.main).count() > 1 {
            return Err(reader.error("tables", "has several tables with `main = true`", "leave one"));
        }
        Ok((sheet, reader.finish()))
    }

    /// What is odd about the sheet beside its state machine.
    pub fn warnings(&self, machine: &StateMachine, definition: &str) -> Vec<String> {
        let mut warnings = self.timeout_warnings(machine);
        warnings.extend(self.bindings.warnings(definition));
        warnings
    }

    /// A job that may run as long as the whole machine is never told apart from it. Source: pipelines.md 1.11.
    fn timeout_warnings(&self, machine: &StateMachine) -> Vec<String> {
        let Some(machine_seconds) = machine.timeout_seconds else { return Vec::new() };
        let mut warnings = Vec::new();
        for (environment, values) in &self.env {
            let entries = values.as_object().into_iter().flatten();
            for (key, value) in entries.filter(|(key, _)| key.ends_with("_timeout_seconds")) {
                if value.as_u64().is_some_and(|seconds| seconds >= machine_seconds) {
                    warnings.push(format!(
                        "`env.{environment}.{key}` is {value}, not below the state machine's TimeoutSeconds of {machine_seconds}"
                    ));
                }
            }
        }
        warnings
    }

    /// The job whose figures are the partition's: of the main table, or of the only one.
    pub fn main_job(&self) -> Option<&str> {
        let main = self.tables.iter().find(|table| table.main);
        main.or(self.tables.first().filter(|_| self.tables.len() == 1))?.job.as_deref()
    }
}

impl Default for PartitionRule {
    fn default() -> Self {
        Self {
            key: "ds".to_owned(),
            cadence: Cadence::Daily,
            calendar: Calendar::EveryDay,
            range_days_max: RANGE_DAYS_DEFAULT,
        }
    }
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { runs_max: 16 }
    }
}

impl PartitionRule {
    fn read(reader: &mut Reader<'_>) -> Result<Self, SheetError> {
        let defaults = Self::default();
        Ok(Self {
            key: reader.text("key")?.unwrap_or(defaults.key),
            cadence: reader.one_of("cadence", &[("daily", Cadence::Daily)])?.unwrap_or(defaults.cadence),
            calendar: reader
                .one_of("calendar", &[("every day", Calendar::EveryDay), ("weekdays", Calendar::Weekdays)])?
                .unwrap_or(defaults.calendar),
            range_days_max: reader.count("range_days_max")?.unwrap_or(defaults.range_days_max),
        })
    }
}

impl Schedule {
    fn read(reader: &mut Reader<'_>) -> Result<Self, SheetError> {
        let cron = reader.required("cron")?;
        if let Err(error) = cron.parse::<croner::Cron>() {
            return Err(reader.error(
                "cron",
                &format!("is `{cron}`: {error}"),
                "give five fields, such as `0 6 * * 1-5`",
            ));
        }
        Ok(Self {
            cron,
            time_zone: reader.time_zone()?,
            partition_offset_days: match reader.integer("partition_offset_days")? {
                Some(days) => i32::try_from(days).map_err(|_| {
                    reader.error("partition_offset_days", &format!("is {days}"), "give a small number of days")
                })?,
                None => 0,
            },
            catch_up: reader
                .one_of("catch_up", &[("all", "all"), ("latest", "latest"), ("none", "none")])?
                .unwrap_or("all")
                .to_owned(),
        })
    }
}

impl Concurrency {
    fn read(reader: &mut Reader<'_>) -> Result<Self, SheetError> {
        Ok(Self { runs_max: reader.count("runs_max")?.unwrap_or(Self::default().runs_max) })
    }
}

impl Freshness {
    fn read(reader: &mut Reader<'_>) -> Result<Self, SheetError> {
        let text = reader.required("deadline")?;
        let deadline = NaiveTime::parse_from_str(&text, "%H:%M")
            .map_err(|_| reader.error("deadline", &format!("is `{text}`"), "give a time of day, such as `07:00`"))?;
        Ok(Self { deadline, time_zone: reader.time_zone()? })
    }
}

impl SheetTable {
    fn read(reader: &mut Reader<'_>) -> Result<Self, SheetError> {
        Ok(Self {
            name: reader.required("name")?,
            job: reader.text("job")?,
            main: reader.flag("main")?.unwrap_or(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Binding;

    const DAILY_PRICES: &str = include_str!("../../../state-machines/daily-prices.toml");

    #[test]
    fn the_sheet_of_daily_prices_is_sound() {
        let (sheet, warnings) = Sheet::parse("daily-prices.toml", DAILY_PRICES).unwrap();
        assert_eq!(warnings, [""; 0]);
        assert_eq!(sheet.partition.key, "ds");
        assert_eq!(sheet.main_job(), Some("daily-prices-data-etl"));
        assert_eq!(sheet.env.keys().collect::<Vec<_>>(), ["dev", "prod", "staging"]);
        assert!(sheet.bindings.of("dev").contains(&("dev-daily-prices-preflight".to_owned(), Binding::Worker)));
        let definition = include_str!("../../../state-machines/daily-prices.asl.json");
        assert_eq!(sheet.bindings.warnings(definition), [""; 0]);
    }

    #[test]
    fn an_empty_sheet_is_a_daily_pipeline() {
        let (sheet, _) = Sheet::parse("x.toml", "").unwrap();
        assert_eq!((sheet.partition, sheet.monitored), (PartitionRule::default(), true));
    }

    #[test]
    fn errors_name_file_field_and_remedy() {
        for (text, field, remedy) in [
            ("description = ", "the file", "line 1"),
            ("monitored = 1", "monitored", "true or false"),
            ("[partition]\ncadence = 'hourly'", "partition.cadence", "daily"),
            ("[partition]\nrange_days_max = 0", "partition.range_days_max", "above 0"),
            ("schedule = 'x'", "schedule", "[schedule]"),
            ("[schedule]\ntime_zone = 'UTC'", "schedule.cron", "give it"),
            ("[schedule]\ncron = 'at six'", "schedule.cron", "five fields"),
            ("[schedule]\ncron = '0 6 * * *'\ntime_zone = 'Mars'", "schedule.time_zone", "Europe/Berlin"),
            ("[freshness]\ndeadline = '7 am'", "freshness.deadline", "07:00"),
            ("[[tables]]\nmain = true", "tables[0].name", "give it"),
            ("[[tables]]\nname='a'\nmain=true\n[[tables]]\nname='b'\nmain=true", "tables", "leave one"),
            ("[bindings]\nworker = [1]", "bindings.worker", "names"),
            ("[bindings]\nglue = 'a'", "bindings.glue", "list"),
            ("[bindings]\nworker = ['a']\nglue = ['a']", "bindings.glue", "one of them"),
            ("[bindings]\nglue = ['a']\nspark = ['b', 'a']", "bindings.spark", "one of them"),
            ("[env]\ndev = 1", "env.dev", "[env.dev]"),
            ("[input]\nds = 2024-01-01", "input", "dates as texts"),
        ] {
            let error = Sheet::parse("x.toml", text).unwrap_err();
            assert_eq!((error.file.as_str(), error.field.as_str()), ("x.toml", field), "{text}: {error}");
            assert!(error.remedy.contains(remedy), "{error}");
        }
    }

    #[test]
    fn unknown_keys_are_warnings() {
        let (_, warnings) = Sheet::parse("x.toml", "owner = 'me'\n[partition]\nkind = 'x'").unwrap();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings.iter().any(|warning| warning.contains("`partition.kind`")), "{warnings:?}");
    }
}
