//! The records of a day judged, deduplicated and adjusted, some symbols at a time.
//!
//! Source: pipelines.md 1.7.

use chrono::NaiveDate;
use polars::error::PolarsResult;
use polars::prelude::{
    BooleanChunked, DataFrame, IntoColumn, NamedFrom, NewChunkedArray, PlSmallStr, Series, SortMultipleOptions,
};

use super::adjust::{adjust, arrange};
use super::dedup::deduplicate;
use super::quality::{Judge, Limits, Verdict, reasons};
use super::symbols::whole_symbols;
use crate::job::JobError;
use crate::lake::frames::{Frames, Queue};

/// Part of the memory of a read that results may be held in where the records do not fit into it.
const RESULTS_PART: u64 = 4;

/// What to make of records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Curation {
    pub ds: NaiveDate,
    pub limits: Limits,
    pub adjusting: bool,
    /// For records that are not in memory.
    pub memory_bytes: u64,
}

/// What became of them.
#[derive(Debug)]
pub(super) struct Curated {
    pub verdict: Verdict,
    /// What is to be published, by symbol.
    pub good: Frames,
    /// Records with critical violations, and their reasons.
    pub critical: Frames,
    /// Records left out as duplicates, identical and conflicting.
    pub identical: u64,
    pub conflicting: u64,
}

/// Judges, deduplicates and adjusts records that have the known columns with their types; `None` if they are not in memory
/// and not in the order of their symbols either. `uri` is where they go, for errors.
pub(super) fn curate(input: &Frames, curation: Curation, uri: &str) -> Result<Option<Curated>, JobError> {
    let Curation { ds, limits, adjusting, memory_bytes } = curation;
    // What is made of rows in memory takes about as much as they do.
    let memory_bytes = if input.in_memory().is_some() { u64::MAX } else { memory_bytes / RESULTS_PART };
    let (mut good, mut critical) = (Queue::new(memory_bytes), Queue::new(memory_bytes));
    let mut judge = Judge::new(ds, limits);
    let (mut identical, mut conflicting) = (0, 0);
    let (chunks, backwards) = whole_symbols(input, uri);
    for chunk in chunks {
        let chunk = chunk?;
        let reasons = judge.add(&chunk)?;
        let violating: Vec<bool> = reasons.iter().map(Option::is_some).collect();
        critical.push(keep(&with_reasons(&chunk, &reasons)?, violating.iter().copied())?)?;
        let deduplicated = deduplicate(&keep(&chunk, violating.iter().map(|violating| !violating))?)?;
        identical += deduplicated.identical;
        conflicting += deduplicated.conflicting;
        good.push(finish(deduplicated.frame, adjusting)?)?;
    }
    if backwards.is_found() {
        return Ok(None);
    }
    let (good, critical) = (good.finish(uri)?, critical.finish(uri)?);
    Ok(Some(Curated { verdict: judge.conclude(), good, critical, identical, conflicting }))
}

/// All records, each with the reasons why it is not to be published.
pub(super) fn with_all_reasons(input: &Frames, ds: NaiveDate, uri: &str) -> Result<Frames, JobError> {
    Ok(input.clone().map(uri, move |frame| with_reasons(frame, &reasons(frame, ds)?))?)
}

fn with_reasons(frame: &DataFrame, reasons: &[Option<String>]) -> PolarsResult<DataFrame> {
    let mut frame = frame.clone();
    frame.with_column(Series::new("dq_reason".into(), reasons).into_column())?;
    Ok(frame)
}

fn finish(frame: DataFrame, adjusting: bool) -> PolarsResult<DataFrame> {
    let frame = if adjusting { adjust(frame)? } else { frame };
    arrange(&frame)?.sort(["symbol"], SortMultipleOptions::default().with_maintain_order(true))
}

fn keep(frame: &DataFrame, mask: impl Iterator<Item = bool>) -> PolarsResult<DataFrame> {
    let mask: Vec<bool> = mask.collect();
    frame.filter(&BooleanChunked::from_slice(PlSmallStr::EMPTY, &mask))
}
