//! Where everything of the system is and how it runs: the configuration keys as arguments.
//!
//! Paths are relative to `--root` (a bucket or a URI) unless they are URIs themselves.
//!
//! Source: pipelines.md 4.1.

use std::time::Duration;

use super::super::apart::{Place, check_apart};
use super::columns::{GOLD_TABLES, GoldTable};
use crate::job::{Arguments, JobContext, JobError};
use crate::lake::Folder;

/// The system's name in that of its catalog database, `<environment>_enrichment`.
pub const SYSTEM: &str = "enrichment";

/// The retention below which a reader may lose files under its hands. Source: pipelines.md 4.5.
pub const VACUUM_HOURS_MIN: u64 = 168;

/// The folder a configuration key names.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` without `--root`, or for a malformed place.
pub fn folder(context: &JobContext, key: &str, default: &str) -> Result<Folder, JobError> {
    let path = context.arguments.text(key, default);
    if path.contains("://") || path.starts_with('/') {
        return Ok(context.lake.folder_at(path)?);
    }
    Ok(context.lake.folder(context.arguments.required("root")?, path)?)
}

/// The silver table's folder.
///
/// # Errors
/// As [`folder`].
pub fn silver(context: &JobContext) -> Result<Folder, JobError> {
    folder(context, "gold_read_path", "delta/silver")
}

/// The folder of the stream's checkpoint, which is also what only one run at a time may work on.
///
/// # Errors
/// As [`folder`].
pub fn checkpoint(context: &JobContext) -> Result<Folder, JobError> {
    folder(context, "gold_check_point_path", "checkpoints/gold")
}

/// A gold table's folder.
///
/// # Errors
/// As [`folder`].
pub fn gold(context: &JobContext, table: &GoldTable) -> Result<Folder, JobError> {
    folder(context, table.path.0, table.path.1)
}

/// Refuses places of gold that get into each other's way: a table is vacuumed with all that is in its folder, and written from
/// what another holds. `silver` is what it is computed from, if anything is.
///
/// # Errors
/// `PRE_VALIDATION_FAILED`, naming both.
pub fn check_gold_apart(context: &JobContext, silver: Option<&Folder>) -> Result<(), JobError> {
    let mut tables: Vec<Place> = silver.iter().map(|silver| ("silver".to_owned(), silver.uri())).collect();
    for table in &GOLD_TABLES {
        tables.push((table.name.to_owned(), gold(context, table)?.uri()));
    }
    let beside = [
        ("the checkpoint", checkpoint(context)?),
        ("the bad records", bad_records(context)?),
        ("the log", log(context)?),
    ];
    check_apart(&tables, &beside.map(|(what, folder)| (what.to_owned(), folder.uri())))
}

fn bad_records(context: &JobContext) -> Result<Folder, JobError> {
    folder(context, "gold_bad_records_path", "bad_records/gold")
}

fn log(context: &JobContext) -> Result<Folder, JobError> {
    folder(context, "log_path", "logs")
}

/// How gold is made.
#[derive(Clone, Debug)]
pub struct GoldSettings {
    /// A ratio below it, with the risk level, makes a transaction flagged.
    pub risk_ratio_threshold: f64,
    /// The risk level of flagged transactions; compared trimmed, in any case.
    pub risk_level_value: String,
    /// Keep flagged transactions only.
    pub high_risk_only: bool,
    /// Rows that cannot be used.
    pub bad_records: Folder,
    /// What each batch did.
    pub log: Folder,
}

impl GoldSettings {
    /// From the command line.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` for values that do not parse.
    pub fn of(context: &JobContext) -> Result<GoldSettings, JobError> {
        let arguments = &context.arguments;
        let risk_ratio_threshold: f64 = arguments.number("risk_ratio_threshold", 0.2)?;
        if !risk_ratio_threshold.is_finite() {
            return Err(JobError::arguments("--risk_ratio_threshold is not a number; give one such as 0.2"));
        }
        Ok(GoldSettings {
            risk_ratio_threshold,
            risk_level_value: arguments.text("risk_level_value", "high").to_lowercase(),
            high_risk_only: arguments.flag("high_risk_only", false)?,
            bad_records: bad_records(context)?,
            log: log(context)?,
        })
    }
}

/// How long to wait for silver to be there.
#[derive(Clone, Copy, Debug)]
pub struct SilverWait {
    /// Looks after the first.
    pub retries: u32,
    /// Between two looks.
    pub pause: Duration,
}

impl SilverWait {
    /// From the command line.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` for values that do not parse.
    pub fn of(arguments: &Arguments) -> Result<SilverWait, JobError> {
        Ok(SilverWait { retries: arguments.number("wait_retries", 50)?, pause: seconds(arguments, "wait_secs", 5.0)? })
    }
}

/// A pause in seconds; fractions are allowed.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` for what is no pause.
pub fn seconds(arguments: &Arguments, name: &str, default: f64) -> Result<Duration, JobError> {
    let seconds: f64 = arguments.number(name, default)?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| JobError::arguments(format!("--{name} is `{seconds}`; give seconds, such as {default}")))
}

/// The retention of VACUUM in hours.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` below [`VACUUM_HOURS_MIN`], unless `--allow_short_retention`.
pub fn vacuum_hours(arguments: &Arguments) -> Result<(u64, bool), JobError> {
    let hours = arguments.number("vacuum_hours", VACUUM_HOURS_MIN)?;
    let allow_short = arguments.flag("allow_short_retention", false)?;
    if hours < VACUUM_HOURS_MIN && !allow_short {
        return Err(JobError::arguments(format!(
            "--vacuum_hours is {hours}, below {VACUUM_HOURS_MIN}: readers of older versions would lose their files; \
             add --allow_short_retention=true if that is meant"
        )));
    }
    Ok((hours, allow_short))
}

/// The tables `--tables` names, comma-separated; all three without it.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` for a name that is none of them.
pub fn tables(arguments: &Arguments) -> Result<Vec<&'static GoldTable>, JobError> {
    let Some(list) = arguments.optional("tables") else { return Ok(GOLD_TABLES.iter().collect()) };
    let named = |name: &str| {
        GOLD_TABLES.iter().find(|table| table.name == name.trim()).ok_or_else(|| {
            let known = GOLD_TABLES.iter().map(|table| table.name).collect::<Vec<_>>().join(", ");
            JobError::arguments(format!("--tables holds `{}`; known are {known}", name.trim()))
        })
    };
    list.split(',').map(named).collect()
}
