//! The guard between compaction and transform: is there anything to transform?
//!
//! Input: `{bucket, prefix, ds, compaction_status?, compaction_result_uri?}`. The status is that of this run's compaction
//! (`SUCCEEDED`, `SKIPPED`); where the caller cannot see it (a Glue job run tells nothing of the job's own result),
//! the result object the job left at its `--result_path` is read instead.
//!
//! Output: `{ds, bucket, partitionPrefix, objectCount, shouldProcess, s3Uri, reason?}`. `objectCount` is the number of
//! non-empty Parquet data objects in the compacted partition; `shouldProcess` is false without any, and also when
//! compaction found no raw data and what is there is of an earlier run (`STALE_OUTPUT`).
//!
//! Source: pipelines.md 1.6.

use serde_json::{Value, json};

use super::payload::Payload;
use super::run_result;
use crate::job::{Code, FunctionDefinition, JobError, parse_date};
use crate::lake::{Lake, Table};

/// The function.
pub(crate) const GUARD: FunctionDefinition = FunctionDefinition {
    name: "daily-prices-guard",
    summary: "Decides whether a compacted day holds anything to transform",
    run: |lake, input| Box::pin(async move { guard(&lake, &input).await }),
};

async fn guard(lake: &Lake, input: &Value) -> Result<Value, JobError> {
    let payload = Payload::of(input, "the input", Code::GuardInputInvalid)?;
    let (bucket, prefix, ds) = (payload.required("bucket")?, payload.required("prefix")?, payload.required("ds")?);
    if parse_date(ds).is_none() {
        return Err(invalid(format!("`ds` is `{ds}`; give a calendar date as YYYY-MM-DD")));
    }
    let status = match payload.text("compaction_status")? {
        Some(status) => Some(status.to_owned()),
        None => run_result::status(lake, payload.text("compaction_result_uri")?).await.map_err(inspect)?,
    };
    let table = lake.folder(bucket, prefix).map_err(|error| invalid(error.chain()))?;
    let partition = Table::new(table).partition(ds);
    let folder = partition.folder();
    let objects = folder.data_objects().await.map_err(JobError::from).map_err(inspect)?;
    let count = objects.iter().filter(|object| object.size_bytes > 0 && object.name.ends_with(".parquet")).count();

    let stale = count > 0 && status.is_some_and(|status| status.eq_ignore_ascii_case("SKIPPED"));
    let should_process = count > 0 && !stale;
    let uri = folder.uri();
    let mut output = json!({
        "ds": ds,
        "bucket": bucket,
        "partitionPrefix": format!("{}/{}/", prefix.trim_matches('/'), partition.name()).trim_start_matches('/'),
        "objectCount": count,
        "shouldProcess": should_process,
        "s3Uri": format!("{uri}/"),
    });
    if stale {
        tracing::warn!(
            "`{uri}` holds {count} object(s) of an earlier run, and this run found no raw data: not processed"
        );
        output["reason"] = Code::StaleOutput.as_str().into();
    } else if !should_process {
        tracing::info!("`{uri}` holds no data: nothing to process");
        output["reason"] = Code::NoRawData.as_str().into();
    } else {
        tracing::info!("`{uri}` holds {count} object(s) to process");
    }
    Ok(output)
}

fn invalid(message: String) -> JobError {
    JobError::new(Code::GuardInputInvalid, message)
}

fn inspect(error: JobError) -> JobError {
    JobError { message: format!("Failed to inspect compaction output: {}", error.message), ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lake_with(objects: &[(&str, &str)]) -> (tempfile::TempDir, Lake) {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        let folder = lake.folder("curated", "market/prices/compacted").unwrap();
        for (name, content) in objects {
            folder.put(name, (*content).to_owned()).await.unwrap();
        }
        (place, lake)
    }

    fn input(status: Option<&str>) -> Value {
        json!({"bucket": "curated", "prefix": "market/prices/compacted", "ds": "2024-12-06", "compaction_status": status})
    }

    #[tokio::test]
    async fn only_data_of_this_run_is_processed() {
        let part = ("ds=2024-12-06/part-00000-ab.parquet", "PAR1");
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>, u64, bool, Value);
        let cases: [Case<'_>; 7] = [
            ("no folder", &[], None, 0, false, json!("NO_RAW_DATA")),
            ("one file", &[part], None, 1, true, Value::Null),
            (
                "two files",
                &[part, ("ds=2024-12-06/part-00001-ab.parquet", "PAR1")],
                Some("SUCCEEDED"),
                2,
                true,
                Value::Null,
            ),
            (
                "hidden only",
                &[("ds=2024-12-06/_SUCCESS", "{}"), ("ds=2024-12-06/_tmp/x.parquet", "PAR1")],
                None,
                0,
                false,
                json!("NO_RAW_DATA"),
            ),
            ("empty file", &[("ds=2024-12-06/part-00000-ab.parquet", "")], None, 0, false, json!("NO_RAW_DATA")),
            ("another day", &[("ds=2024-12-05/part-00000-ab.parquet", "PAR1")], None, 0, false, json!("NO_RAW_DATA")),
            ("stale", &[part], Some("SKIPPED"), 1, false, json!("STALE_OUTPUT")),
        ];
        for (name, objects, status, count, should_process, reason) in cases {
            let (place, lake) = lake_with(objects).await;
            let output = guard(&lake, &input(status)).await.unwrap();
            assert_eq!(output["objectCount"], count, "{name}");
            assert_eq!(output["shouldProcess"], should_process, "{name}");
            assert_eq!(output.get("reason").cloned().unwrap_or(Value::Null), reason, "{name}");
            assert_eq!(output["partitionPrefix"], "market/prices/compacted/ds=2024-12-06/");
            let uri = format!("file://{}/curated/market/prices/compacted/ds=2024-12-06/", place.path().display());
            assert_eq!(output["s3Uri"], uri, "{name}");
        }
    }

    #[tokio::test]
    async fn the_status_is_also_found_in_the_result_of_the_job() {
        let (_place, lake) = lake_with(&[("ds=2024-12-06/part-00000-ab.parquet", "PAR1")]).await;
        let results = lake.folder("artifacts", "runs").unwrap();
        for (status, should_process) in [("SKIPPED", false), ("SUCCEEDED", true)] {
            results.put("compaction.json", json!({"status": status, "metrics": {}}).to_string()).await.unwrap();
            let mut input = input(None);
            input["compaction_result_uri"] = "s3://artifacts/runs/compaction.json".into();
            assert_eq!(guard(&lake, &input).await.unwrap()["shouldProcess"], should_process, "{status}");
        }
    }

    #[tokio::test]
    async fn incomplete_input_is_refused() {
        let (_place, lake) = lake_with(&[]).await;
        for (field, value, part) in [
            ("bucket", Value::Null, "`bucket` is required"),
            ("prefix", json!(""), "`prefix` is required"),
            ("ds", json!(null), "`ds` is required"),
            ("ds", json!("2024-02-30"), "2024-02-30"),
            ("bucket", json!("../x"), "../x"),
            ("prefix", json!("a/../../b"), "not allowed"),
        ] {
            let mut input = input(None);
            input[field] = value;
            let error = guard(&lake, &input).await.unwrap_err();
            assert_eq!(error.code, Code::GuardInputInvalid, "{field}");
            assert!(error.message.contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn a_fault_of_the_storage_is_no_empty_partition() {
        let (place, lake) = lake_with(&[]).await;
        // A file where the partition's folder should be cannot be listed.
        let table = place.path().join("curated/market/prices/compacted");
        std::fs::create_dir_all(table.parent().unwrap()).unwrap();
        std::fs::write(&table, "not a folder").unwrap();
        let error = guard(&lake, &input(None)).await.unwrap_err();
        assert_eq!(error.code, Code::StorageError);
        assert!(error.message.starts_with("Failed to inspect compaction output: "), "{error}");
    }
}
