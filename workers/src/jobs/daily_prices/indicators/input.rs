//! The window of curated prices: read day by day, held in memory or, if it does not fit, sorted by symbol on the disk.

use std::collections::BTreeMap;

use futures::StreamExt;

use super::columns::{self, COLUMNS};
use super::frame::{self, Row};
use super::history::{History, Target, WindowFacts, without_symbol};
use super::settings::Settings;
use super::{DAYS_AT_ONCE, days_since_epoch};
use crate::job::{Code, JobContext, JobError, parse_date};
use crate::jobs::daily_prices::symbols::whole_symbols;
use crate::lake::Table;
use crate::lake::frames::{Frames, Queue, SortKey, Sorter};

/// Part of the memory that a day, or a piece of results, may take of its own.
const PARTS: u64 = 8;
/// Part of the memory that is taken apart at once.
const SPILL_PART: u64 = 4;
/// Rows of a symbol stay in the order of their days.
const BY_SYMBOL: SortKey = SortKey { text: "symbol", instant: None };

/// All rows of the window.
pub struct Window {
    facts: WindowFacts,
    rows: Rows,
    memory_bytes: u64,
}

enum Rows {
    Held(History),
    Spooled(Frames),
}

/// The rows of a day, and what was found on the way.
pub struct Computed {
    /// The output table.
    pub table: Frames,
    /// Its rows.
    pub row_count: u64,
    /// Rows that repeat the symbol of the one before.
    pub repeated: u64,
    /// Rows of the window that repeat an earlier one's symbol and date.
    pub duplicate_rows: u64,
    /// Values that are null because their row comes too early.
    pub warm_up: u64,
    /// Values out of range, by column.
    pub violations: [u64; COLUMNS.len()],
    /// Values that do not fit their type, by column.
    pub overflows: BTreeMap<&'static str, u64>,
}

/// Rows on their way in.
struct Gathering {
    history: History,
    sorter: Option<Sorter>,
    facts: WindowFacts,
    memory_bytes: u64,
}

impl Gathering {
    /// Adds a day.
    fn add(&mut self, date: i32, day: &Frames, uri: &str) -> Result<(), JobError> {
        if let Some(frame) = day.in_memory() {
            self.history.add(date, frame, uri)?;
            return self.spill_beyond();
        }
        let mut nameless = 0;
        for frame in day.iter() {
            nameless += self.history.add_part(date, &frame?, uri)?;
            self.spill_beyond()?;
        }
        if nameless > 0 { Err(without_symbol(nameless, uri)) } else { Ok(()) }
    }

    fn spill_beyond(&mut self) -> Result<(), JobError> {
        let allowed = if self.sorter.is_some() { self.memory_bytes / SPILL_PART } else { self.memory_bytes };
        if self.history.bytes() > allowed { self.spill() } else { Ok(()) }
    }

    /// Puts what is held on the disk.
    fn spill(&mut self) -> Result<(), JobError> {
        let history = std::mem::take(&mut self.history);
        self.facts.note(&history);
        let sorter = self.sorter.get_or_insert_with(|| Sorter::new(BY_SYMBOL, self.memory_bytes));
        for part in history.into_parts(self.memory_bytes / SPILL_PART) {
            sorter.add(part?)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Window, JobError> {
        if self.sorter.is_some() {
            self.spill()?;
        }
        let Gathering { history, sorter, mut facts, memory_bytes } = self;
        let rows = match sorter {
            Some(sorter) => Rows::Spooled(sorter.finish()?),
            None => {
                facts.note(&history);
                Rows::Held(history)
            }
        };
        Ok(Window { facts, rows, memory_bytes })
    }
}

impl Window {
    /// Whether the benchmark symbol, if there is one, has any row.
    pub fn has_benchmark(&self) -> bool {
        self.facts.has_benchmark()
    }

    /// Computes the rows of the target day; `run_at_micros` is the time of the run, `uri` is where they go, for errors.
    ///
    /// # Errors
    /// `STORAGE_ERROR`; `UNEXPECTED_ERROR` if polars refuses a column.
    pub fn compute(&self, target: Target<'_>, run_at_micros: i64, uri: &str) -> Result<Computed, JobError> {
        let mut computed = Computed::none();
        let table = match &self.rows {
            Rows::Held(history) => {
                computed.duplicate_rows = history.duplicate_rows;
                Frames::held(computed.add(&history.rows(target), run_at_micros)?)
            }
            Rows::Spooled(rows) => {
                let reference = self.facts.reference();
                let mut queue = Queue::new(self.memory_bytes / PARTS);
                let (chunks, backwards) = whole_symbols(rows, uri);
                for chunk in chunks {
                    let history = History::of_rows(&chunk?)?;
                    computed.duplicate_rows += history.duplicate_rows;
                    queue.push(computed.add(&history.rows_beside(target, &reference), run_at_micros)?)?;
                }
                if backwards.is_found() {
                    let message = format!("the prices for `{uri}` are not in order after sorting");
                    return Err(JobError::new(Code::UnexpectedError, message));
                }
                queue.finish(uri)?
            }
        };
        Ok(Computed { table, ..computed })
    }
}

impl Computed {
    fn none() -> Computed {
        Computed {
            table: Frames::held(polars::prelude::DataFrame::empty()),
            row_count: 0,
            repeated: 0,
            duplicate_rows: 0,
            warm_up: 0,
            violations: [0; COLUMNS.len()],
            overflows: BTreeMap::new(),
        }
    }

    /// Counts rows, all of their symbols, and makes a table of them.
    fn add(&mut self, rows: &[Row], run_at_micros: i64) -> Result<polars::prelude::DataFrame, JobError> {
        let (table, overflows) = frame::build(rows, run_at_micros)?;
        self.row_count += rows.len() as u64;
        self.repeated += rows.windows(2).filter(|pair| pair[0].symbol == pair[1].symbol).count() as u64;
        for row in rows {
            let early = |first_row: usize| first_row != columns::NEVER && row.window_rows < first_row;
            self.warm_up += COLUMNS.iter().filter(|column| early(column.first_row)).count() as u64;
            row.verdict.violations.iter().for_each(|at| self.violations[*at] += 1);
        }
        for (column, count) in overflows {
            *self.overflows.entry(column).or_default() += count;
        }
        Ok(table)
    }
}

/// Reads the days of the window, oldest first.
///
/// # Errors
/// `NO_INPUT_DATA` without any row, `NO_TARGET_DATA` without one on the day; those of the days, naming them.
pub async fn read_window(context: &JobContext, settings: &Settings) -> Result<Window, JobError> {
    let memory_bytes = context.lake.read_memory_bytes()?;
    let prices =
        Table::new(context.lake.folder(&settings.prices_bucket, &settings.prices_prefix)?).looked_through_once();
    let mut days = Vec::new();
    for ds in prices.days().await? {
        match parse_date(&ds) {
            None => context.warn(format!("invalid_partition:ds={ds}")),
            Some(day) if (settings.first_day()..=settings.ds).contains(&day) => days.push(day),
            Some(_) => {}
        }
    }
    let facts = WindowFacts::new(days_since_epoch(settings.ds), settings.benchmark_symbol.as_deref());
    let mut gathering = Gathering { history: History::default(), sorter: None, facts, memory_bytes };
    let mut days_read = 0u64;
    let mut reads = futures::stream::iter(days)
        .map(|day| {
            let partition = prices.partition(&day.to_string());
            async move { (day, partition.uri(), partition.read_within(memory_bytes / PARTS).await) }
        })
        .buffered(DAYS_AT_ONCE);
    while let Some((day, uri, read)) = reads.next().await {
        match read? {
            Some(read) => {
                let date = days_since_epoch(day);
                gathering = context.blocking(move || gathering.add(date, &read, &uri).map(|()| gathering)).await?;
                days_read += 1;
            }
            None => context.warn(format!("`{uri}` holds no complete data and is left out of the window")),
        }
    }
    let window = context.blocking(move || gathering.finish()).await?;
    context.metric("days_read", days_read);
    context.metric("input_rows", window.facts.row_count());
    if window.facts.row_count() == 0 {
        let message = format!("`{}` has no rows from {}", prices.folder.uri(), settings.span());
        return Err(JobError::new(Code::NoInputData, message));
    }
    if !window.facts.has_target() {
        let message =
            format!("`{}` has no rows; the days before have", prices.partition(&settings.ds.to_string()).uri());
        return Err(JobError::new(Code::NoTargetData, message));
    }
    Ok(window)
}
