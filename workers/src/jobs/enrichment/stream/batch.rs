//! One batch after another: planned, computed, checked, written, recorded.
//!
//! Source: pipelines.md 4.4, 2 to 9; 4.6.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::columns::{GOLD_TABLES, PARTITION};
use super::super::gold::{Counts, Gold, QualityRow, Scope, Tables, compute};
use super::super::settings::{self, GoldSettings};
use super::checkpoint::{Checkpoint, Commit, Offset};
use super::plan::{Take, VERSIONS_AT_ONCE, take};
use crate::catalog::Catalog;
use crate::job::{Code, JobContext, JobError, QualityCheck};
use crate::lake::delta::Delta;
use crate::lake::{Error, PartitionLock, audit_time};

/// What a run has done.
#[derive(Debug, Default)]
pub struct Totals {
    /// Batches that have got their commit record.
    pub batches: u64,
    /// Of these, without a change of data.
    pub empty: u64,
    /// Of these, found in all tables already.
    pub skipped: u64,
    /// The silver version that is done.
    pub silver_to: i64,
    /// Dates recomputed.
    pub dates: BTreeSet<String>,
    /// Rows of silver that were set aside.
    pub bad_rows: u64,
    /// The last batch's metrics.
    pub last: Option<BatchMetrics>,
    /// The last batch's checks and quality.
    pub checks: Vec<QualityCheck>,
}

/// The metrics of a batch, as in its file below `log_path`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BatchMetrics {
    /// Its number.
    pub batch_id: i64,
    /// The last silver version of the batch before.
    pub silver_from: i64,
    /// The silver version it was computed from.
    pub silver_to: i64,
    /// The dates replaced.
    pub dates_touched: Vec<String>,
    /// What was found.
    #[serde(flatten)]
    pub counts: Counts,
    /// Milliseconds by step.
    pub durations_ms: Map<String, Value>,
}

/// The stream at work.
pub struct Runner<'a> {
    context: &'a JobContext,
    silver: Delta,
    checkpoint: Checkpoint,
    /// The gold tables.
    pub tables: Tables,
    settings: GoldSettings,
    commits_max: u64,
    lock: Arc<PartitionLock>,
    warned_columns: bool,
    /// What it has done.
    pub totals: Totals,
}

impl<'a> Runner<'a> {
    /// Opens the tables and begins the checkpoint, if that is not there.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` if checkpoint and silver do not belong together; `SCHEMA_VALIDATION_FAILED`;
    /// `STORAGE_ERROR`.
    pub async fn new(
        context: &'a JobContext,
        silver: Delta,
        mut checkpoint: Checkpoint,
        settings: GoldSettings,
        commits_max: u64,
        lock: Arc<PartitionLock>,
    ) -> Result<Runner<'a>, JobError> {
        let mut tables = Tables::open(context).await?;
        let first_batch = match checkpoint.has_begun() {
            true => 0,
            // Numbers go on where a lost checkpoint ended, or its batches would pass for done.
            false => tables.batches().await?.into_iter().flatten().max().map_or(0, |last| last + 1),
        };
        checkpoint.begin(&silver.uri(), first_batch).await?;
        let planned = checkpoint.pending().map_or(checkpoint.position(), |offset| offset.silver_to);
        if planned > silver.version() {
            return Err(JobError::arguments(format!(
                "silver `{}` is at version {}, the checkpoint has done {planned}: it is another table; \
                 give another --gold_check_point_path",
                silver.uri(),
                silver.version()
            )));
        }
        let totals = Totals { silver_to: checkpoint.position(), ..Totals::default() };
        let warned_columns = false;
        Ok(Runner { context, silver, checkpoint, tables, settings, commits_max, lock, warned_columns, totals })
    }

    /// Where rows that cannot be used are set aside.
    pub fn bad_records_uri(&self) -> String {
        self.settings.bad_records.uri()
    }

    /// Registers the tables as they are now; a table that cannot be registered is a warning.
    pub async fn register(&self, catalog: &Catalog) {
        self.tables.register(self.context, catalog).await;
    }

    /// The silver version last seen.
    pub fn silver_version(&self) -> i64 {
        self.silver.version()
    }

    /// Does the next batch, up to silver version `until` at most; `false` if there is none.
    ///
    /// # Errors
    /// Whatever fails the batch: it stays planned, and the tables have what they had, or the batch whole.
    pub async fn next(&mut self, until: Option<i64>) -> Result<bool, JobError> {
        if let Some(offset) = self.checkpoint.pending().cloned() {
            tracing::info!("Batch {} was planned and not finished: doing it", offset.batch_id);
            self.perform(&offset).await?;
            return Ok(true);
        }
        self.silver.refresh().await?;
        let from = self.checkpoint.position();
        let newest = until.unwrap_or_else(|| self.silver.version());
        let to = newest.min(from.saturating_add(VERSIONS_AT_ONCE));
        if to <= from {
            return Ok(false);
        }
        let taken = match self.silver.changes(from, to, PARTITION).await {
            Ok(changes) => take(&changes, self.commits_max),
            Err(Error::NotFound { uri }) => {
                self.context
                    .warn(format!("`{uri}` is gone and with it what changed since the last batch: all dates are done"));
                Some(Take { to: newest, everything: true, ..Take::default() })
            }
            Err(error) => return Err(error.into()),
        };
        let Some(taken) = taken else { return Ok(false) };
        let scope = if taken.everything { self.everything().await? } else { taken.scope };
        self.plan_and_perform(from, taken.to, scope).await?;
        Ok(true)
    }

    /// All dates of silver and gold.
    async fn everything(&self) -> Result<Scope, JobError> {
        let mut scope = Scope::default();
        scope.extend(self.silver.partition_values(PARTITION).await?);
        scope.dates.extend(self.tables.dates().await?.into_iter().flatten());
        Ok(scope)
    }

    /// Does a batch of dates that no commit has touched.
    ///
    /// # Errors
    /// As [`Runner::next`].
    pub async fn force(&mut self, scope: Scope) -> Result<(), JobError> {
        let at = self.checkpoint.position();
        self.plan_and_perform(at, at.max(0), scope).await
    }

    async fn plan_and_perform(&mut self, from: i64, to: i64, scope: Scope) -> Result<(), JobError> {
        let offset = Offset {
            batch_id: self.checkpoint.next_batch(),
            silver_from: from,
            silver_to: to,
            dates: scope.values(),
            undated: scope.undated,
            planned_at: audit_time(Utc::now()),
            run_id: self.context.run_id.clone(),
        };
        self.lock.check().await?;
        self.checkpoint.plan(&offset).await?;
        self.perform(&offset).await
    }

    async fn perform(&mut self, offset: &Offset) -> Result<(), JobError> {
        let (batch, scope) = (offset.batch_id, offset.scope());
        let done = self.tables.batches().await?;
        let open: Vec<usize> =
            (0..GOLD_TABLES.len()).filter(|place| done[*place].is_none_or(|last| last < batch)).collect();
        let code = if scope.is_empty() {
            self.totals.empty += 1;
            self.write_metrics(&BatchMetrics::of(offset, Counts::default(), Map::new()), &[]).await?;
            "EMPTY"
        } else if open.is_empty() {
            self.totals.skipped += 1;
            tracing::info!("Batch {batch} is in all tables already: {}", Code::IdempotentSkip);
            Code::IdempotentSkip.as_str()
        } else {
            self.write(offset, &scope, &open).await?;
            "OK"
        };
        self.lock.check().await?;
        let commit = Commit {
            batch_id: batch,
            silver_to: offset.silver_to,
            code: code.to_owned(),
            committed_at: audit_time(Utc::now()),
            run_id: self.context.run_id.clone(),
        };
        self.checkpoint.commit(commit).await?;
        self.totals.batches += 1;
        self.totals.silver_to = offset.silver_to;
        self.totals.dates.extend(scope.dates);
        let (from, to) = (offset.silver_from, offset.silver_to);
        tracing::info!("Batch {batch} of silver ({from}, {to}] is done: {code}, {} date(s)", offset.dates.len());
        Ok(())
    }

    /// Computes the batch and writes it to the tables at `open`.
    async fn write(&mut self, offset: &Offset, scope: &Scope, open: &[usize]) -> Result<(), JobError> {
        let mut durations = Map::new();
        let began = Instant::now();
        let silver = Delta::open_at(&settings::silver(self.context)?, offset.silver_to).await.map_err(|error| {
            let error = JobError::from(error);
            let message = format!(
                "batch {} needs silver version {}: {}; if its files are vacuumed, delete offsets/{}.json of the checkpoint",
                offset.batch_id, offset.silver_to, error.message, offset.batch_id
            );
            JobError { message, ..error }
        })?;
        let bad_records = self.settings.bad_records.child(&format!("batch_id={}", offset.batch_id));
        let gold = compute(self.context, &silver, scope, &self.settings, bad_records).await?;
        if !self.warned_columns {
            gold.warnings.iter().for_each(|warning| self.context.warn(warning));
            self.warned_columns = !gold.warnings.is_empty();
        }
        durations.insert("compute".to_owned(), millis(began));
        for place in open {
            let began = Instant::now();
            let (batch, run_id) = (Some(offset.batch_id), self.context.run_id.as_str());
            self.tables.replace(*place, &gold, batch, &self.lock, run_id).await?;
            durations.insert(GOLD_TABLES[*place].name.to_owned(), millis(began));
        }
        self.tell(offset, gold, durations).await
    }

    /// The batch's metrics, to the log folder and for the result.
    async fn tell(&mut self, offset: &Offset, gold: Gold, durations: Map<String, Value>) -> Result<(), JobError> {
        let metrics = BatchMetrics::of(offset, gold.counts, durations);
        self.write_metrics(&metrics, &gold.quality).await?;
        self.totals.bad_rows += metrics.counts.bad_rows;
        self.totals.checks = gold.checks.into_iter().chain(gold.quality.iter().map(QualityRow::check)).collect();
        self.totals.last = Some(metrics);
        Ok(())
    }

    /// `<log_path>/enrichment_gold/batch_id=<id>.json`.
    async fn write_metrics(&self, metrics: &BatchMetrics, rules: &[QualityRow]) -> Result<(), JobError> {
        let mut file = json!(metrics);
        file["run_id"] = self.context.run_id.clone().into();
        file["quality"] = quality(metrics.batch_id, rules);
        let name = format!("enrichment_gold/batch_id={}.json", metrics.batch_id);
        Ok(self.settings.log.put(&name, format!("{file}\n")).await?)
    }
}

impl BatchMetrics {
    fn of(offset: &Offset, counts: Counts, durations_ms: Map<String, Value>) -> BatchMetrics {
        BatchMetrics {
            batch_id: offset.batch_id,
            silver_from: offset.silver_from,
            silver_to: offset.silver_to,
            dates_touched: offset.dates.clone(),
            counts,
            durations_ms,
        }
    }
}

/// `{batch_id, column, check, <check>_count, …}`.
fn quality(batch: i64, rows: &[QualityRow]) -> Value {
    let row = |row: &QualityRow| {
        let mut row = row.json();
        row["batch_id"] = batch.into();
        row
    };
    rows.iter().map(row).collect()
}

fn millis(began: Instant) -> Value {
    Value::from(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))
}
