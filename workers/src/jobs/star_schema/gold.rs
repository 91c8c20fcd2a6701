//! The job: prepare, stage all ten tables, look at what was staged, then switch them in one after the other.
//!
//! Until the switch gold is as it was; a run that dies within the switch is finished by the next one before it does
//! anything else.
//!
//! Source: pipelines.md 3.1 to 3.4.

use chrono::Utc;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::catalog::description;
use super::checks::{Files, check};
use super::measure::measure;
use super::places::{Gold, check_locations, folder, optional_folder};
use super::prepare::{
    Counts, Lost, Prepared, check_null_event_ids, open_silver, prepare, quarantine_columns, quarantine_sql,
};
use super::silver::{SILVER, SilverTable};
use super::tables::{GoldTable, TABLES};
use crate::catalog::{Catalog, Registration, database};
use crate::job::{Finish, JobContext, JobDefinition, JobError};
use crate::lake::publish::{Staged, WriteSettings, finish_switch, stage_rows, switch_all};
use crate::lake::{Codec, FileSizing, Folder, Partition, Success, audit_time};
use crate::query::Query;

/// The job `silver-to-gold-star-schema`.
pub const SILVER_TO_GOLD: JobDefinition = JobDefinition {
    name: "silver-to-gold-star-schema",
    summary: "Rebuilds the star schema (4 dimensions, 3 facts, 3 marts) from the silver tables and switches it in whole.",
    arguments: &[
        "SILVER_BASE",
        "GOLD_DIM",
        "GOLD_FACT",
        "GOLD_MART",
        "METRICS_BASE",
        "QUARANTINE_BASE",
        "max_null_event_id_rate",
        "partition_facts",
        "ds",
        "environment",
        "catalog_database",
    ],
    run: start,
};

/// Rows without a key are few, or the run has failed.
const QUARANTINE: WriteSettings =
    WriteSettings { codec: Codec::Snappy, sizing: FileSizing { target_file_mb: 128, files_max: 1 } };

/// What the command line asks for.
struct Plan {
    silver: Folder,
    gold: Gold,
    metrics: Option<Folder>,
    quarantine: Option<Folder>,
    null_event_id_rate_max: f64,
    partition_facts: bool,
    ds: Option<String>,
}

impl Plan {
    fn of(context: &JobContext) -> Result<Plan, JobError> {
        let (lake, arguments) = (&context.lake, &context.arguments);
        let silver = folder(lake, arguments, "SILVER_BASE")?;
        let gold = Gold::of(lake, arguments)?;
        let metrics = optional_folder(lake, arguments, "METRICS_BASE")?;
        let quarantine = optional_folder(lake, arguments, "QUARANTINE_BASE")?;
        check_locations(&silver, &gold, quarantine.as_ref(), metrics.as_ref())?;
        let null_event_id_rate_max: f64 = arguments.number("max_null_event_id_rate", 0.05)?;
        if !(0.0..=1.0).contains(&null_event_id_rate_max) {
            let message = format!("--max_null_event_id_rate is `{null_event_id_rate_max}`; give a share from 0 to 1");
            return Err(JobError::arguments(message));
        }
        Ok(Plan {
            silver,
            gold,
            metrics,
            quarantine,
            null_event_id_rate_max,
            partition_facts: arguments.flag("partition_facts", true)?,
            ds: arguments.optional("ds").map(|_| arguments.date("ds").map(|ds| ds.to_string())).transpose()?,
        })
    }
}

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    // Everything that can be refused is refused before anything is touched.
    let plan = Plan::of(context)?;
    let catalog = Catalog::from_env().await?;
    let targets = plan.targets();
    let mut locks = Vec::with_capacity(targets.len());
    for target in &targets {
        locks.push(context.lock(&target.partition).await?);
    }
    finish_earlier(context, &plan).await?;

    // Users may be as many as what they do.
    let query = Query::new(context)?.merge_joins();
    let silver = open_silver(context, &query, &plan.silver).await?;
    for Lost { table, column, values, example } in &silver.lost {
        context.warn(format!(
            "{values} value(s) of {table}.{column} are no text (such as `{example}`) and taken for null"
        ));
    }
    let rate = check_null_event_ids(silver.counts[0], plan.null_event_id_rate_max)?;
    context.metric("null_event_id_rate", rate);
    let prepared = prepare(&query, silver).await?;
    report(context, &prepared);

    let mut staged = Vec::with_capacity(targets.len());
    for target in &targets {
        staged.push(target.stage(context, &query).await?);
    }
    let looking = Query::new(context)?;
    let files = targets.iter().zip(&staged).filter_map(|(target, staged)| target.files(staged)).collect::<Vec<_>>();
    check(context, &looking, &files).await?;
    let measured = measure(&looking, &prepared).await?;
    let metrics: Map<String, Value> =
        measured.iter().map(|(table, metrics)| (table.name.to_owned(), metrics.clone().into())).collect();
    context.metric("table_metrics", metrics);

    let switched = switch_all(staged.into_iter().zip(locks).collect(), &context.run_id).await?;
    let rows = publish(context, &targets, &switched);
    write_metrics(context, &plan, &measured).await?;
    let finish = Finish::succeeded(format!("switched in {} tables with {rows} rows", TABLES.len()));
    let database = database(context, "star_schema");
    let mut registration = Registration::begin(context, &catalog);
    for (target, success) in targets.iter().zip(&switched) {
        if let Content::Gold(table) = target.content {
            let table = description(&database, table, &target.partition, target.split_by, success);
            registration.add(&table.name.clone(), Ok(table)).await;
        }
    }
    Ok(registration.finish(finish))
}

/// What a folder gets.
enum Content {
    /// One of the ten.
    Gold(&'static GoldTable),
    /// The rows of a silver table that have no key.
    Quarantine(&'static SilverTable),
}

/// A folder that is replaced.
struct Target {
    content: Content,
    partition: Partition,
    /// The column of its sub-folders.
    split_by: Option<&'static str>,
}

impl Plan {
    /// The ten tables, then the quarantine of each silver table if it is wanted: all are switched in together.
    fn targets(&self) -> Vec<Target> {
        let gold = self.gold.partitions().map(|(table, partition)| Target {
            content: Content::Gold(table),
            partition,
            split_by: table.split_by.filter(|_| self.partition_facts),
        });
        let quarantine = self.quarantine.iter().flat_map(|base| {
            SILVER.iter().map(|table| Target {
                content: Content::Quarantine(table),
                partition: Partition::new(base.clone(), table.name),
                split_by: None,
            })
        });
        gold.chain(quarantine).collect()
    }
}

impl Target {
    async fn stage(&self, context: &JobContext, query: &Query) -> Result<Staged, JobError> {
        let (rows, settings) = match self.content {
            Content::Gold(table) => (query.stream(table.sql, &[], table.columns).await?, table.settings()),
            Content::Quarantine(table) => {
                (query.stream(&quarantine_sql(table), &[], &quarantine_columns(table)).await?, QUARANTINE)
            }
        };
        Ok(stage_rows(&self.partition, rows, settings, self.split_by, &context.run_id).await?)
    }

    /// What the checks look at; a quarantine is not looked at.
    fn files(&self, staged: &Staged) -> Option<Files> {
        let Content::Gold(table) = self.content else { return None };
        let (folder, names) = staged.objects();
        Some(Files { table, folder, names })
    }
}

/// Brings a switch to its end that an earlier run began and did not survive.
async fn finish_earlier(context: &JobContext, plan: &Plan) -> Result<(), JobError> {
    // The intent lies with the first of the tables.
    let finished = finish_switch(&context.lake, plan.gold.parent(TABLES[0].place)).await?;
    if !finished.is_empty() {
        context.warn(format!("finished the switch of {} table(s) that an earlier run left half done", finished.len()));
    }
    Ok(())
}

fn report(context: &JobContext, prepared: &Prepared) {
    let total = |of: fn(&Counts) -> u64| prepared.counts.iter().map(of).sum::<u64>();
    context.metric("records", total(|counts| counts.rows));
    context.metric("quarantined_records", total(|counts| counts.null_keys));
    context.metric("duplicates_removed", total(|counts| counts.duplicates));
    for (table, counts) in SILVER.iter().zip(prepared.counts) {
        context.metric(&format!("{}_rows", table.name), counts.rows);
        context.metric(&format!("{}_without_key", table.name), counts.null_keys);
        context.metric(&format!("{}_duplicates", table.name), counts.duplicates);
        if counts.null_keys > 0 {
            context.warn(format!("{} row(s) of {} have no {}", counts.null_keys, table.name, table.key));
        }
        for column in table.columns {
            let failed = prepared.figure(&format!("{}_{}_failed", table.name, column.name));
            if failed > 0 {
                context
                    .warn(format!("{failed} value(s) of {}.{} cannot be read and are null", table.name, column.name));
            }
        }
        if counts.duplicates > 0 {
            let message = format!("{} row(s) of {} were replaced by newer versions", counts.duplicates, table.name);
            context.warn(message);
        }
    }
}

/// Reports what was switched in; the rows of the ten.
fn publish(context: &JobContext, targets: &[Target], switched: &[Success]) -> u64 {
    let mut total = 0;
    for (target, success) in targets.iter().zip(switched) {
        let rows = success.rows.unwrap_or_default();
        let gold = matches!(target.content, Content::Gold(_));
        if gold {
            total += rows;
        }
        // An empty quarantine is not worth a line.
        if gold || rows > 0 {
            context.output(&target.partition, success);
        }
    }
    context.metric("rows", total);
    total
}

/// `<METRICS_BASE>/ds=<ds>/<table>.json`, or by run where no `--ds` is given.
async fn write_metrics(
    context: &JobContext,
    plan: &Plan,
    measured: &[(&'static GoldTable, Map<String, Value>)],
) -> Result<(), JobError> {
    let Some(base) = &plan.metrics else { return Ok(()) };
    let folder = match &plan.ds {
        Some(ds) => base.child(&format!("ds={ds}")),
        None => base.child(&format!("run_id={}", context.run_id)),
    };
    let written_at = audit_time(Utc::now());
    for (table, metrics) in measured {
        let content = json!({
            "table": table.name, "ds": plan.ds, "run_id": context.run_id, "written_at": written_at, "metrics": metrics,
        });
        folder.put(&format!("{}.json", table.name), content.to_string()).await?;
    }
    Ok(())
}
