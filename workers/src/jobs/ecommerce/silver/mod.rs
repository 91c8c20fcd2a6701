//! Silver: bronze rows with types, checked, one per key; what breaks a rule goes to `rejected/<table>` with the reasons.
//!
//! A run looks at the bronze files that changed since the last one (and, for items, at files with rows that were refused
//! for an order or product that is there now). Of every key in them the newest good row of all of bronze counts, so the
//! result does not depend on the order of runs; a key of which bronze has no good row any more keeps the one it had. Days
//! that rows come into or leave are replaced whole, in one commit that also records the bronze version it goes back to; a
//! run that broke off is simply made again.
//!
//! Source: pipelines.md 5.1.

mod scope;
mod sql;

use chrono::Utc;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::argument::{arguments, flag};
use super::settings::Settings;
use super::table::{Layer, SOURCE_FILE, Source, columns, source};
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError};
use crate::lake::delta::{Delta, Write};
use crate::query::{Query, Value, memory_bytes};
use scope::Scope;

/// The application id of silver's Delta transactions; the version is bronze's.
const APPLICATION: &str = "ecommerce-silver";

/// A bronze table of more than this part of the memory, compressed as it is, is joined by sorting.
const BRONZE_PART_MAX: u64 = 32;

/// The job `ecommerce-silver`.
pub(crate) const SILVER: JobDefinition = JobDefinition {
    name: "ecommerce-silver",
    summary: "Types, checks and deduplicates bronze rows of products, orders or order_items into the silver table.",
    arguments: arguments!["table", "full"],
    run: start,
};

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

/// What a run works with.
struct Work<'a> {
    context: &'a JobContext,
    source: &'static Source,
    query: Query,
    bronze: Delta,
    silver: Delta,
    rejected: Delta,
    /// The last version of bronze that silver was made from; `None` where all of it is to be looked at.
    done: Option<i64>,
    /// The version to record, if it is not recorded already.
    next: Option<i64>,
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let source = source(&context.arguments)?;
    let settings = Settings::of(context)?;
    let full = flag(&context.arguments, "full", "ECOM_SILVER_FULL", false)?;
    let silver_folder = settings.table(Layer::Silver, source.name);
    context.lock_folder(&silver_folder).await?;
    let Some(bronze) = Delta::open(&settings.table(Layer::Bronze, source.name)).await? else {
        return Ok(Finish::skipped(Code::NoRawData, format!("there is no bronze table of {} yet", source.name)));
    };
    let silver = source.silver;
    let silver = Delta::create(&silver_folder, &columns(silver.fields), silver.partition_by, silver.name).await?;
    let shape = source.rejected;
    let rejected =
        Delta::create(&settings.rejected(source.name), &columns(shape.fields), shape.partition_by, shape.name).await?;
    let recorded = silver.transaction(APPLICATION).await?;
    // Items may be taken later from the same version of bronze, when their orders have come.
    let next = Some(bronze.version()).filter(|version| recorded.is_none_or(|recorded| recorded < *version));
    let done = if full { None } else { recorded };
    let query = Query::new(context)?;
    // Keys are joined with keys: a side of that in memory is part of the input.
    let large = bronze.details().await?.bytes > memory_bytes()? as u64 / BRONZE_PART_MAX;
    let query = if large { query.merge_joins() } else { query };
    sql::register(&query, &settings, source, &bronze, &silver, &rejected).await?;
    let mut work = Work { context, source, query, bronze, silver, rejected, done, next };
    let scope = Scope::of(&work).await?;
    context.metric("bronze_version", work.bronze.version());
    context.metric("files_in_scope", scope.files.len());
    if scope.files.is_empty() {
        let message = format!("{} has everything that is in bronze, version {}", source.name, work.bronze.version());
        return Ok(Finish::skipped(Code::IdempotentSkip, message));
    }
    work.make(&scope).await
}

impl Work<'_> {
    async fn make(&mut self, scope: &Scope) -> Result<Finish, JobError> {
        let (key, name) = (self.source.key, self.source.name);
        scope.register(&self.query).await?;
        if !scope.all {
            self.query.keep("scope_keys", &sql::scope_keys(self.source), &[]).await?;
        }
        self.query.view("candidates", &sql::candidates(self.source, scope.all), &[]).await?;
        self.query.keep("checked", sql::checked(name), &[]).await?;
        let counts = self.query.json(sql::COUNTS, &[]).await?;
        let count = |column: &str| counts.first().and_then(|row| row[column].as_u64()).unwrap_or_default();
        let (records, refused) = (count("records"), count("refused"));
        self.context.metric("records", records);
        self.context.metric("rejected_records", refused);
        self.query.keep("refused", sql::REFUSED, &[]).await?;
        for row in self.query.json(sql::REASONS, &[]).await? {
            if let (Some(reasons), Some(rows)) = (row["validation_errors"].as_str(), row["rows"].as_u64()) {
                self.context.metric(&format!("rejected_{}", reasons.replace(',', "_and_")), rows);
            }
        }
        if refused > 0 {
            self.context
                .warn(format!("{refused} of {records} rows of {name} broke a rule; see `{}`", self.rejected.uri()));
        }
        self.write_rejected(scope).await?;
        self.query.keep("newest", &sql::newest(key), &[]).await?;
        let rows = self.write_silver().await?;
        self.context.metric("rows", rows);
        Ok(Finish::succeeded(format!("{records} rows of {} files checked, {refused} refused", scope.files.len())))
    }

    async fn write_rejected(&mut self, scope: &Scope) -> Result<(), JobError> {
        let fields = columns(self.source.rejected.fields);
        let now = [("now", Value::from(Utc::now()))];
        let rows = self.query.stream(&sql::rejected(self.source), &now, &fields).await?;
        let mode = Write::ReplacePartitions { column: SOURCE_FILE, values: &scope.files };
        self.rejected.write(rows, mode, None, &self.context.run_id).await?;
        Ok(())
    }

    /// Replaces the days (or the whole table) that change; the rows written.
    async fn write_silver(&mut self) -> Result<u64, JobError> {
        let fields = columns(self.source.silver.fields);
        let now = [("now", Value::from(Utc::now()))];
        let transaction = self.next.map(|version| (APPLICATION, version));
        let days: Vec<String> = if self.source.silver.partition_by.is_empty() {
            Vec::new()
        } else {
            self.query.keep("touched", &sql::touched(self.source), &[]).await?;
            let days = self.query.json("select cast(date as string) as day from touched order by date", &[]).await?;
            days.iter().filter_map(|row| row["day"].as_str().map(str::to_owned)).collect()
        };
        let rows = self.query.stream(sql::silver(self.source.name), &now, &fields).await?;
        let mode = match self.source.silver.partition_by.first() {
            Some(column) => Write::ReplacePartitions { column, values: &days },
            None => Write::ReplaceTable,
        };
        let written = self.silver.write(rows, mode, transaction, &self.context.run_id).await?;
        self.context.delta_output(&self.silver, &written);
        Ok(written.rows)
    }
}
