//! The function before a run: are the locations places, apart from each other, and is there anything to read?
//!
//! Input: `{silver_base, gold_dim, gold_fact, gold_mart, quarantine_base?, metrics_base?}`. Output: `{ok, silver: {<table>: {files,
//! bytes}}, gold: {<name>: uri}}`.
//!
//! Source: pipelines.md 3.4, "sanity check of the four locations".

use serde_json::{Map, Value, json};

use super::places::{Gold, LOCATIONS, REQUIRED, check_locations, folder, optional_folder};
use super::silver::{SILVER, find_files};
use crate::job::{Arguments, Code, FunctionDefinition, JobError};
use crate::lake::Lake;

/// The function `star-schema-check-locations`.
pub(crate) const CHECK_LOCATIONS: FunctionDefinition = FunctionDefinition {
    name: "star-schema-check-locations",
    summary: "Checks the silver and gold locations of the star schema before a run.",
    run: |lake, input| Box::pin(async move { check(&lake, &input).await }),
};

async fn check(lake: &Lake, input: &Value) -> Result<Value, JobError> {
    let mut line = Vec::new();
    for (at, name) in LOCATIONS.into_iter().enumerate() {
        let field = name.to_ascii_lowercase();
        match &input[&field] {
            Value::String(uri) if !uri.trim().is_empty() => line.push(format!("--{name}={uri}")),
            Value::Null | Value::String(_) if at >= REQUIRED => {}
            Value::Null | Value::String(_) => return Err(JobError::arguments(format!("`{field}` is required"))),
            _ => return Err(JobError::arguments(format!("`{field}` is no text; give a location"))),
        }
    }
    let arguments = Arguments::parse(&line, &LOCATIONS)?;
    let silver = folder(lake, &arguments, "SILVER_BASE")?;
    let gold = Gold::of(lake, &arguments)?;
    let quarantine = optional_folder(lake, &arguments, "QUARANTINE_BASE")?;
    let metrics = optional_folder(lake, &arguments, "METRICS_BASE")?;
    check_locations(&silver, &gold, quarantine.as_ref(), metrics.as_ref())?;
    let mut tables = Map::new();
    let mut missing = Vec::new();
    for table in SILVER {
        let files = find_files(&silver.child(table.name)).await?;
        if files.names.is_empty() {
            missing.push(table.name);
        }
        tables.insert(table.name.to_owned(), json!({ "files": files.names.len(), "bytes": files.bytes }));
    }
    if !missing.is_empty() {
        let message = format!("{} in `{}`: no data files; deliver silver first", missing.join(", "), silver.uri());
        return Err(JobError::new(Code::SilverInputMissing, message));
    }
    let places: Map<String, Value> =
        gold.partitions().map(|(table, partition)| (table.name.to_owned(), partition.uri().into())).collect();
    tracing::info!("Silver is in `{}`, and gold has places of its own", silver.uri());
    Ok(json!({ "ok": true, "silver": tables, "gold": places }))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lake(tables: &[&str]) -> (tempfile::TempDir, Lake) {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        for table in tables {
            let folder = lake.folder("silver", table).unwrap();
            folder.put("event_date=2024-12-26/part-00000-aa.parquet", "PAR1").await.unwrap();
        }
        (place, lake)
    }

    fn input() -> Value {
        json!({
            "silver_base": "s3://silver", "gold_dim": "s3://gold/dim", "gold_fact": "s3://gold/fact",
            "gold_mart": "s3://gold/mart", "quarantine_base": "s3://gold/quarantine", "metrics_base": "",
        })
    }

    #[tokio::test]
    async fn good_locations_are_described() {
        let (place, lake) = lake(&["events", "users", "transactions"]).await;
        let output = check(&lake, &input()).await.unwrap();
        assert_eq!(output["silver"]["users"], json!({ "files": 1, "bytes": 4 }));
        let root = place.path().display();
        assert_eq!(output["gold"]["user_ltv"], format!("file://{root}/gold/mart/user_ltv"));
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_location_is_told_before_the_run() {
        let (_place, lake) = lake(&["users"]).await;
        for (field, value, code, part) in [
            ("gold_fact", Value::Null, Code::PreValidationFailed, "`gold_fact` is required"),
            ("gold_fact", json!(5), Code::PreValidationFailed, "`gold_fact` is no text"),
            ("gold_dim", json!("http://x"), Code::PreValidationFailed, "--GOLD_DIM"),
            ("gold_dim", json!("s3://silver/events"), Code::PreValidationFailed, "overlap"),
            ("quarantine_base", json!("s3://silver"), Code::PreValidationFailed, "the quarantine of events"),
            ("metrics_base", json!("s3://gold/fact/fact_events"), Code::PreValidationFailed, "the metrics"),
            ("metrics_base", json!(5), Code::PreValidationFailed, "`metrics_base` is no text"),
            ("silver_base", json!("s3://silver"), Code::SilverInputMissing, "events, transactions in `file://"),
        ] {
            let mut given = input();
            given[field] = value;
            let error = check(&lake, &given).await.unwrap_err();
            assert_eq!(error.code, code, "{error}");
            assert!(error.message.contains(part), "{error}");
        }
    }
}
