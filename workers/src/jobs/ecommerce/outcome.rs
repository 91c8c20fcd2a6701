//! What a run made of its date: read from the results that the gold jobs left, since a Glue job run does not tell them.
//!
//! Input: `{ds, results: {<job>: uri}}`, the URIs the jobs had as `--result_path`. Output: `{ds, partitions: [ds] or [],
//! skipped: [{ds, code, reason}] or [], jobs: {<job>: {status, code, message} or null}}`. A date for which no gold job had
//! orders in its window is skipped; the ledger of the pipeline goes by that.
//!
//! Source: pipelines.md 5.2, 6.2: an empty window is a skip.

use serde_json::{Map, Value, json};

use crate::job::{FunctionDefinition, JobError, JobResult, JobStatus, parse_date};
use crate::lake::Lake;

/// The function.
pub(crate) const OUTCOME: FunctionDefinition = FunctionDefinition {
    name: "ecommerce-outcome",
    summary: "Tells whether a run had orders for its date, or why it was skipped",
    run: |lake, input| Box::pin(async move { outcome(&lake, &input).await }),
};

async fn outcome(lake: &Lake, input: &Value) -> Result<Value, JobError> {
    let ds = input["ds"]
        .as_str()
        .filter(|ds| parse_date(ds).is_some())
        .ok_or_else(|| JobError::arguments(format!("`ds` is {}; give a calendar date as YYYY-MM-DD", input["ds"])))?;
    let uris = input["results"].as_object().filter(|uris| !uris.is_empty());
    let uris = uris.ok_or_else(|| JobError::arguments("`results` is required; give `{<job>: uri of its result}`"))?;
    let (mut jobs, mut skipped, mut first) = (Map::new(), 0, None);
    for (job, uri) in uris {
        let uri = uri.as_str().ok_or_else(|| JobError::arguments(format!("`results.{job}` is no text; give a URI")))?;
        let left = JobResult::left_at(lake, uri).await?;
        jobs.insert(job.clone(), left.as_ref().map_or(Value::Null, JobResult::described));
        if let Some(left) = left.filter(|left| left.status == JobStatus::Skipped) {
            skipped += 1;
            let reason = json!([{ "ds": ds, "code": left.code, "reason": left.message }]);
            first.get_or_insert(reason);
        }
    }
    let idle = first.filter(|_| skipped == uris.len());
    let partitions = if idle.is_some() { json!([]) } else { json!([ds]) };
    Ok(json!({ "ds": ds, "partitions": partitions, "skipped": idle.unwrap_or_else(|| json!([])), "jobs": jobs }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_date_without_orders_for_any_job_is_skipped_with_the_reason() {
        for (statuses, is_made) in [
            (&[Some("SKIPPED"), Some("SKIPPED")][..], false),
            (&[Some("SKIPPED"), Some("SUCCEEDED")], true),
            (&[Some("SKIPPED"), None], true),
            (&[Some("PARTIAL"), Some("SUCCEEDED")], true),
        ] {
            let place = tempfile::tempdir().unwrap();
            let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
            let mut results = Map::new();
            for (number, status) in statuses.iter().enumerate() {
                let name = format!("{number}.json");
                results.insert(format!("job-{number}"), json!(format!("s3://shop/metadata/runs/x/{name}")));
                let Some(status) = status else { continue };
                let result = json!({
                    "job": "j", "run_id": "r", "status": status, "code": "EMPTY_WINDOW", "message": "no orders",
                    "started_at": "", "ended_at": "", "metrics": {}, "outputs": [], "warnings": [],
                });
                lake.folder("shop", "metadata/runs/x").unwrap().put(&name, result.to_string()).await.unwrap();
            }
            let told = outcome(&lake, &json!({ "ds": "2025-04-15", "results": results })).await.unwrap();
            let skipped = json!([{ "ds": "2025-04-15", "code": "EMPTY_WINDOW", "reason": "no orders" }]);
            let expected = if is_made { (json!(["2025-04-15"]), json!([])) } else { (json!([]), skipped) };
            assert_eq!((told["partitions"].clone(), told["skipped"].clone()), expected, "{statuses:?}: {told:#}");
            assert_eq!(told["jobs"]["job-0"]["status"].as_str(), statuses[0]);
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_input_is_named() {
        let lake = Lake::at("/nowhere").unwrap();
        for (input, part) in [
            (json!({}), "`ds`"),
            (json!({ "ds": "2024-02-30" }), "2024-02-30"),
            (json!({ "ds": "2025-04-15" }), "`results`"),
            (json!({ "ds": "2025-04-15", "results": { "daily-sales": 5 } }), "`results.daily-sales`"),
        ] {
            let error = outcome(&lake, &input).await.unwrap_err();
            assert!(error.message.contains(part), "{input}: {error}");
        }
    }
}
