//! Batch mode: given dates, or all, recomputed from silver as it is now.
//!
//! Source: pipelines.md 4.4, "Batch mode".

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;

use super::super::columns::{GOLD_TABLES, PARTITION};
use super::super::settings::{self, GoldSettings};
use super::{Scope, Tables, compute};
use crate::catalog::Catalog;
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError, parse_date};
use crate::lake::PartitionLock;
use crate::lake::delta::Delta;

/// The job `enrichment-gold`.
pub const GOLD: JobDefinition = JobDefinition {
    name: "enrichment-gold",
    summary: "Recomputes the three enrichment tables from silver for given dates, or for all.",
    arguments: &[
        "environment",
        "root",
        "ds",
        "dates",
        "source_path",
        "gold_read_path",
        "gold_write_path_spend_summary",
        "gold_write_path_product_usage_metrics",
        "gold_write_path_high_risk_txns",
        "gold_check_point_path",
        "gold_bad_records_path",
        "log_path",
        "risk_ratio_threshold",
        "risk_level_value",
        "high_risk_only",
        "catalog_database",
    ],
    run: start,
};

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let arguments = &context.arguments;
    let gold_settings = GoldSettings::of(context)?;
    let catalog = Catalog::from_env().await?;
    let asked = arguments.optional("dates").or(arguments.optional("ds")).map(dates).transpose()?;
    let source = match arguments.optional("source_path") {
        Some(_) => settings::folder(context, "source_path", "")?,
        None => settings::silver(context)?,
    };
    settings::check_gold_apart(context, Some(&source))?;
    let silver = Delta::open(&source).await?.ok_or_else(|| {
        let message = format!("there is no Delta table at `{}`; run enrichment-silver first", source.uri());
        JobError::new(Code::NoSilverData, message)
    })?;
    // The stream's lock: a batch of it and this must not replace the same dates at once.
    let lock = context.lock_folder(&settings::checkpoint(context)?).await?;
    let mut tables = Tables::open(context).await?;
    let ended = recompute(context, &silver, &mut tables, asked, &gold_settings, &lock).await;
    tables.report(context);
    // Whatever became of it: an earlier run may not have come to that.
    let registration = tables.register(context, &catalog).await;
    Ok(registration.finish(ended?))
}

/// Makes the dates that were asked for, or all of them.
async fn recompute(
    context: &JobContext,
    silver: &Delta,
    tables: &mut Tables,
    asked: Option<Vec<String>>,
    gold_settings: &GoldSettings,
    lock: &PartitionLock,
) -> Result<Finish, JobError> {
    let mut scope = Scope::default();
    match asked {
        Some(dates) => scope.dates.extend(dates),
        None => {
            scope.extend(silver.partition_values(PARTITION).await?);
            // A date that silver no longer has leaves gold, too.
            let stale = tables.dates().await?;
            scope.dates.extend(stale.into_iter().flatten());
        }
    }
    if scope.is_empty() {
        return Ok(Finish::skipped(Code::EmptyWindow, format!("silver `{}` holds no rows", silver.uri())));
    }
    let bad_records = gold_settings.bad_records.child(&format!("run_id={}", context.run_id));
    let set_aside = bad_records.uri();
    let gold = compute(context, silver, &scope, gold_settings, bad_records).await?;
    if gold.counts.bad_rows > 0 {
        let rows = gold.counts.bad_rows;
        context.warn(format!("{rows} row(s) of silver cannot be used and are set aside in `{set_aside}`"));
    }
    gold.warnings.iter().for_each(|warning| context.warn(warning));
    for place in 0..GOLD_TABLES.len() {
        tables.replace(place, &gold, None, lock, &context.run_id).await?;
    }
    let dates = gold.scope.values();
    let metrics = json!({
        "run_id": context.run_id,
        "silver_version": silver.version(),
        "dates_touched": dates,
        "counts": gold.counts,
        "quality": gold.quality.iter().map(super::QualityRow::json).collect::<Vec<_>>(),
    });
    gold_settings.log.put(&format!("enrichment_gold/run_id={}.json", context.run_id), metrics.to_string()).await?;
    context.metric("silver_version", silver.version());
    context.metric("dates_touched", dates.len());
    context.metric("counts", json!(gold.counts));
    gold.checks.into_iter().chain(gold.quality.iter().map(super::QualityRow::check)).for_each(|c| context.quality(c));
    let message = format!("recomputed {} date(s) from silver version {}", dates.len(), silver.version());
    Ok(Finish::succeeded(message))
}

/// `2025-06-11,2025-06-12`.
fn dates(list: &str) -> Result<Vec<String>, JobError> {
    let date = |text: &str| {
        let text = text.trim();
        parse_date(text).map(|_| text.to_owned()).ok_or_else(|| {
            JobError::arguments(format!(
                "--dates holds `{text}`; give calendar dates as YYYY-MM-DD, separated by commas"
            ))
        })
    };
    list.split(',').map(date).collect()
}

#[cfg(test)]
mod tests {
    use super::dates;

    #[test]
    fn dates_are_real_ones() {
        assert_eq!(dates("2025-06-11, 2025-06-12").unwrap(), ["2025-06-11", "2025-06-12"]);
        for wrong in ["2024-02-30", "", "2025-06-11,", "all"] {
            assert!(dates(wrong).unwrap_err().message.contains("--dates"), "{wrong}");
        }
    }
}
