//! Maintenance: OPTIMIZE with Z-order, then VACUUM, of the partitions changed since the last time.
//!
//! What was done is kept beside the stream's checkpoint (`maintenance/<table>.json`). If that is lost, or older than the
//! table's log, everything is optimised once more, which changes no row.
//!
//! Source: pipelines.md 4.5.

use std::collections::BTreeSet;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::columns::{GoldTable, PARTITION};
use super::settings;
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError};
use crate::lake::audit_time;
use crate::lake::delta::Delta;

/// The job `enrichment-maintenance`.
pub const MAINTENANCE: JobDefinition = JobDefinition {
    name: "enrichment-maintenance",
    summary: "Optimises the enrichment tables with Z-order, then removes files no version needs any more.",
    arguments: &[
        "environment",
        "root",
        "ds",
        "tables",
        "gold_write_path_spend_summary",
        "gold_write_path_product_usage_metrics",
        "gold_write_path_high_risk_txns",
        "gold_check_point_path",
        "vacuum_hours",
        "allow_short_retention",
        "target_file_mb",
    ],
    run: start,
};

/// Files are made about this large. Source: pipelines.md 5.7, gold.
const TARGET_FILE_MB: u64 = 512;

/// What was optimised last.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    /// The table's version after it.
    version: i64,
    /// ISO-8601, UTC.
    optimized_at: String,
    /// The run.
    run_id: String,
}

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    settings::vacuum_hours(&context.arguments)?;
    settings::check_gold_apart(context, None)?;
    let tables = settings::tables(&context.arguments)?;
    let mut names = Vec::new();
    for table in tables {
        if maintain(context, table).await? {
            names.push(table.name);
        }
    }
    match names.as_slice() {
        [] => Ok(Finish::skipped(Code::IdempotentSkip, "no table has changed since the last optimise")),
        names => Ok(Finish::succeeded(format!("optimised {}", names.join(", ")))),
    }
}

/// Optimises and vacuums a table; `false` if it does not exist or had nothing to optimise.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` for a retention that is too short; `CONCURRENT_RUNS_EXCEEDED`; `DQ_FAILED` if rows were lost,
/// which would be a mistake of the engine; `STORAGE_ERROR`.
pub async fn maintain(context: &JobContext, table: &GoldTable) -> Result<bool, JobError> {
    let (hours, allow_short) = settings::vacuum_hours(&context.arguments)?;
    let target_file_mb = context.arguments.number("target_file_mb", TARGET_FILE_MB)?.max(1);
    let folder = settings::gold(context, table)?;
    let Some(mut delta) = Delta::open(&folder).await? else {
        context.warn(format!("there is no table `{}` at `{}` to maintain", table.name, folder.uri()));
        return Ok(false);
    };
    context.lock_folder(&folder).await?;
    delta.refresh().await?;
    let record = settings::checkpoint(context)?.child("maintenance");
    let name = format!("{}.json", table.name);
    let last: Option<Done> = record.get_optional(&name).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let changed = changed(&delta, last.map_or(-1, |done| done.version)).await?;
    let mut told = json!({ "partitions": changed.as_ref().map(Vec::len) });
    let nothing = changed.as_ref().is_some_and(Vec::is_empty);
    if !nothing {
        let before = delta.details().await?;
        let filter = changed.as_ref().map(|values| (PARTITION, values.as_slice()));
        let optimized = delta.optimize(&[table.z_order], filter, target_file_mb).await?;
        let after = delta.details().await?;
        if before.rows != after.rows {
            let message = format!("`{}` had {} rows before and {} after", folder.uri(), before.rows, after.rows);
            return Err(JobError::new(Code::DqFailed, message));
        }
        told["files_added"] = optimized.files_added.into();
        told["files_removed"] = optimized.files_removed.into();
        told["rows"] = after.rows.into();
    }
    told["files_vacuumed"] = delta.vacuum(hours, allow_short).await?.into();
    told["version"] = delta.version().into();
    let done =
        Done { version: delta.version(), optimized_at: audit_time(chrono::Utc::now()), run_id: context.run_id.clone() };
    record.put(&name, json!(done).to_string()).await?;
    tracing::info!("Maintained `{}`: {told}", table.name);
    context.metric(&format!("maintenance_{}", table.name), told);
    Ok(!nothing)
}

/// The dates whose data changed after a version; `None` if the log does not reach back that far.
async fn changed(delta: &Delta, after: i64) -> Result<Option<Vec<String>>, JobError> {
    let changes = match delta.changes(after, delta.version(), PARTITION).await {
        Ok(changes) => changes,
        Err(error) => {
            tracing::warn!("Optimising all of `{}`: {}", delta.uri(), error.chain());
            return Ok(None);
        }
    };
    if changes.iter().any(|change| !change.partitions_known) {
        return Ok(None);
    }
    let touched: BTreeSet<String> = changes
        .into_iter()
        .filter(|change| change.data_change)
        .flat_map(|change| change.partitions)
        .flatten()
        .collect();
    // A date that left the table has nothing to optimise.
    let there: BTreeSet<String> = delta.partition_values(PARTITION).await?.into_iter().flatten().collect();
    Ok(Some(touched.intersection(&there).cloned().collect()))
}
