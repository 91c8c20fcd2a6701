//! Whether the catalog needs an update after a day, and what the day's partitions came to.
//!
//! Input: `{ds, catalog_update?, tables: [{bucket, prefix, schema_fingerprint_s3_uri?, schema_changed?, result_uri?}]}`, one
//! entry per table the day published (prices, indicators). `schema_changed` is what the job itself found; `result_uri`
//! names the result object it left at `--result_path`, and is asked where the caller does not see it.
//!
//! Output: `{ds, shouldRunCrawler, reason, stats: {rowCount, bytesWritten, fileCount}}`; `stats` adds up the `_SUCCESS`
//! of the tables' `ds` partitions.
//!
//! With `on_schema_change` a table asks for the crawler if its job saw a change, or if its `latest.json` or
//! `previous.json` is missing or unreadable or their hashes differ. A table without fingerprint URI never does.
//!
//! Source: pipelines.md 1.9.

use std::str::FromStr;

use serde_json::{Value, json};

use super::payload::Payload;
use super::{layout, run_result};
use crate::job::{Code, FunctionDefinition, JobError, parse_date};
use crate::lake::{Folder, Lake, PartitionState, Table};

/// The function.
pub(crate) const DECIDE_CRAWLER: FunctionDefinition = FunctionDefinition {
    name: "daily-prices-decide-crawler",
    summary: "Decides whether the catalog needs an update, and adds up what a day published",
    run: |lake, input| Box::pin(async move { decide(&lake, &input).await }),
};

/// When the catalog is updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// When the schema of a table changed.
    OnSchemaChange,
    /// Never.
    Never,
    /// After every day.
    Force,
}

impl Policy {
    /// The policy as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Policy::OnSchemaChange => "on_schema_change",
            Policy::Never => "never",
            Policy::Force => "force",
        }
    }
}

impl FromStr for Policy {
    type Err = JobError;

    fn from_str(text: &str) -> Result<Self, JobError> {
        [Policy::OnSchemaChange, Policy::Never, Policy::Force]
            .into_iter()
            .find(|policy| policy.as_str() == text)
            .ok_or_else(|| refused(format!("`catalog_update` is `{text}`; give on_schema_change, never or force")))
    }
}

async fn decide(lake: &Lake, input: &Value) -> Result<Value, JobError> {
    let payload = Payload::of(input, "the input", Code::PreValidationFailed)?;
    let ds = payload.required("ds")?;
    if parse_date(ds).is_none() {
        return Err(refused(format!("`ds` is `{ds}`; give a calendar date as YYYY-MM-DD")));
    }
    let policy: Policy = payload.text("catalog_update")?.unwrap_or(Policy::OnSchemaChange.as_str()).parse()?;
    let (mut rows, mut bytes, mut files) = (0, 0, 0);
    let mut changed = None;
    for (at, table) in payload.list("tables")?.iter().enumerate() {
        let table = Payload::of(table, &format!("`tables[{at}]`"), Code::PreValidationFailed)?;
        let folder = lake.folder(table.required("bucket")?, table.required("prefix")?)?;
        if let PartitionState::Complete(success) = Table::new(folder.clone()).partition(ds).state().await? {
            rows += success.rows.unwrap_or_default();
            bytes += success.bytes();
            files += success.files.len();
        }
        if policy == Policy::OnSchemaChange && changed.is_none() {
            changed = change(lake, table).await?.map(|why| format!("`{}`: {why}", folder.uri()));
        }
    }
    let (should_run, reason) = match (policy, changed) {
        (Policy::Never, _) => (false, "catalog_update is never".to_owned()),
        (Policy::Force, _) => (true, "catalog_update is force".to_owned()),
        (Policy::OnSchemaChange, Some(why)) => (true, why),
        (Policy::OnSchemaChange, None) => (false, "no schema changed".to_owned()),
    };
    tracing::info!("The catalog of {ds} {}: {reason}", if should_run { "needs an update" } else { "stays as it is" });
    Ok(json!({
        "ds": ds,
        "shouldRunCrawler": should_run,
        "reason": reason,
        "stats": {"rowCount": rows, "bytesWritten": bytes, "fileCount": files},
    }))
}

/// Why a table needs the catalog updated, if it does.
async fn change(lake: &Lake, table: Payload<'_>) -> Result<Option<&'static str>, JobError> {
    let Some(uri) = table.text("schema_fingerprint_s3_uri")? else { return Ok(None) };
    // Days in parallel overwrite `previous` by an equal one, so what the job saw comes first.
    let seen = match table.value("schema_changed") {
        Some(_) => table.flag("schema_changed", false)?,
        None => run_result::schema_changed(lake, table.text("result_uri")?).await?.unwrap_or(false),
    };
    if seen {
        return Ok(Some("the job saw the schema change"));
    }
    let schema = layout::schema_folder(lake, uri)?;
    let (latest, previous) = (hash(&schema, "latest.json").await?, hash(&schema, "previous.json").await?);
    Ok(match (latest, previous) {
        (None, _) => Some("latest.json is missing or unreadable"),
        (_, None) => Some("previous.json is missing or unreadable"),
        (latest, previous) if latest != previous => Some("the schema fingerprint changed"),
        _ => None,
    })
}

/// The hash in a fingerprint, if there is one that can be read.
async fn hash(schema: &Folder, name: &str) -> Result<Option<String>, JobError> {
    let bytes = schema.get_optional(name).await?;
    let fingerprint: Option<Value> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(fingerprint.and_then(|fingerprint| fingerprint["hash"].as_str().map(str::to_owned)))
}

fn refused(message: String) -> JobError {
    JobError::new(Code::PreValidationFailed, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = r#"{"columns": [], "codec": "zstd", "hash": "a"}"#;
    const B: &str = r#"{"columns": [], "codec": "zstd", "hash": "b"}"#;

    fn lake() -> (tempfile::TempDir, Lake) {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        (place, lake)
    }

    fn table(name: &str) -> Value {
        json!({
            "bucket": "curated",
            "prefix": format!("market/{name}/"),
            "schema_fingerprint_s3_uri": format!("s3://artifacts/market/{name}/_schema/latest.json"),
        })
    }

    #[tokio::test]
    async fn the_policy_and_the_fingerprints_decide() {
        let both = |latest, previous| (Some(latest), Some(previous));
        let cases = [
            ("never", both(A, B), false),
            ("force", both(A, A), true),
            ("on_schema_change", both(A, A), false),
            ("on_schema_change", both(A, B), true),
            ("on_schema_change", (Some(A), None), true),
            ("on_schema_change", (None, None), true),
            ("on_schema_change", both(A, "{broken"), true),
            ("on_schema_change", both("[]", A), true),
        ];
        for (policy, (latest, previous), expected) in cases {
            for changing in ["prices", "indicators"] {
                let (_place, lake) = lake();
                for name in ["prices", "indicators"] {
                    let schema = lake.folder("artifacts", &format!("market/{name}/_schema")).unwrap();
                    let (latest, previous) = if name == changing { (latest, previous) } else { both(B, B) };
                    for (object, content) in [("latest.json", latest), ("previous.json", previous)] {
                        if let Some(content) = content {
                            schema.put(object, content.to_owned()).await.unwrap();
                        }
                    }
                }
                let input = json!({"ds": "2024-12-06", "catalog_update": policy, "tables": [table("prices"), table("indicators")]});
                let output = decide(&lake, &input).await.unwrap();
                assert_eq!(
                    output["shouldRunCrawler"], expected,
                    "{policy} {latest:?} {previous:?} of {changing}: {output}"
                );
            }
        }
    }

    #[tokio::test]
    async fn what_the_job_saw_counts_and_no_fingerprint_means_no() {
        let (_place, lake) = lake();
        let schema = lake.folder("artifacts", "market/prices/_schema").unwrap();
        schema.put("latest.json", A).await.unwrap();
        schema.put("previous.json", A).await.unwrap();
        let results = lake.folder("artifacts", "runs").unwrap();
        results.put("t.json", json!({"metrics": {"schema_changed": true}}).to_string()).await.unwrap();
        for (field, value, expected) in [
            ("schema_changed", json!(true), true),
            ("schema_changed", json!(false), false),
            ("result_uri", json!("s3://artifacts/runs/t.json"), true),
            ("result_uri", json!("s3://artifacts/runs/absent.json"), false),
            ("schema_fingerprint_s3_uri", Value::Null, false),
        ] {
            let mut prices = table("prices");
            prices[field] = value;
            let output = decide(&lake, &json!({"ds": "2024-12-06", "tables": [prices]})).await.unwrap();
            assert_eq!(output["shouldRunCrawler"], expected, "{field}: {output}");
        }
    }

    #[tokio::test]
    async fn published_partitions_are_added_up() {
        let (_place, lake) = lake();
        for (name, rows) in [("prices", 4), ("indicators", 3)] {
            let success = json!({"run_id": "r", "written_at": "t", "rows": rows, "files": [{"name": "p.parquet", "rows": rows, "bytes": 100}]});
            lake.folder("curated", &format!("market/{name}/ds=2024-12-06"))
                .unwrap()
                .put("_SUCCESS", success.to_string())
                .await
                .unwrap();
        }
        for (ds, expected) in [
            ("2024-12-06", json!({"rowCount": 7, "bytesWritten": 200, "fileCount": 2})),
            ("2024-12-07", json!({"rowCount": 0, "bytesWritten": 0, "fileCount": 0})),
        ] {
            let input = json!({"ds": ds, "catalog_update": "never", "tables": [table("prices"), table("indicators")]});
            assert_eq!(decide(&lake, &input).await.unwrap()["stats"], expected, "{ds}");
        }
    }

    #[tokio::test]
    async fn malformed_input_is_refused() {
        let (_place, lake) = lake();
        for (input, part) in [
            (json!({"ds": "2024-12-06", "catalog_update": "sometimes"}), "`catalog_update` is `sometimes`"),
            (json!({"ds": "2024-02-30"}), "2024-02-30"),
            (json!({"catalog_update": "never"}), "`ds` is required"),
            (json!({"ds": "2024-12-06", "tables": ["prices"]}), "`tables[0]`"),
            (json!({"ds": "2024-12-06", "tables": [{"bucket": "b"}]}), "`prefix` is required"),
        ] {
            let error = decide(&lake, &input).await.unwrap_err();
            assert_eq!(error.code, Code::PreValidationFailed, "{input}");
            assert!(error.message.contains(part), "{error}");
        }
    }
}
