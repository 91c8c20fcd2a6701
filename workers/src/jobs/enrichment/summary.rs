//! The summary of a run: what its jobs say of themselves, read from their result objects, as the pipeline's ledger wants it.
//!
//! Input: `{ds, results: {silver, gold}}`, the URIs the jobs had as `--result_path`. Output:
//! `{ds, partitions: [{ds}], skipped: [{ds, code, reason}], silver: {…}, gold: {…}}`; a day for which no job had anything to
//! do is skipped.
//!
//! Source: pipelines.md 4.6, 6.1.

use serde_json::{Value, json};

use crate::job::{Code, FunctionDefinition, JobError, parse_date};
use crate::lake::Lake;

/// The function.
pub(crate) const SUMMARY: FunctionDefinition = FunctionDefinition {
    name: "enrichment-summary",
    summary: "Sums up what the jobs of an enrichment run did",
    run: |lake, input| Box::pin(async move { summary(&lake, &input).await }),
};

async fn summary(lake: &Lake, input: &Value) -> Result<Value, JobError> {
    let ds = input["ds"]
        .as_str()
        .filter(|ds| parse_date(ds).is_some())
        .ok_or_else(|| JobError::arguments(format!("`ds` is {}; give a calendar date as YYYY-MM-DD", input["ds"])))?;
    let (silver, gold) =
        (result(lake, &input["results"]["silver"]).await?, result(lake, &input["results"]["gold"]).await?);
    let idle = |job: &Value| job["status"] == "SKIPPED";
    let mut output = json!({ "ds": ds, "partitions": [], "skipped": [], "silver": silver, "gold": gold });
    if idle(&output["silver"]) && idle(&output["gold"]) {
        let reason = output["silver"]["message"].clone();
        output["skipped"] = json!([{ "ds": ds, "code": output["silver"]["code"], "reason": reason }]);
    } else {
        output["partitions"] = json!([{ "ds": ds }]);
    }
    Ok(output)
}

/// The parts of a result object that a reader of the run wants.
async fn result(lake: &Lake, uri: &Value) -> Result<Value, JobError> {
    let Some((folder, name)) = uri.as_str().and_then(|uri| uri.rsplit_once('/')) else { return Ok(Value::Null) };
    let Some(bytes) = lake.folder_at(folder)?.get_optional(name).await? else { return Ok(Value::Null) };
    let result: Value = serde_json::from_slice(&bytes).map_err(|error| {
        JobError::new(Code::UnexpectedError, format!("`{folder}/{name}` is no result of a job: {error}"))
    })?;
    let parts = ["status", "code", "message", "outputs"];
    Ok(parts.into_iter().map(|part| (part.to_owned(), result[part].clone())).collect::<serde_json::Map<_, _>>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_day_with_nothing_to_do_is_skipped_and_any_other_is_made() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        let runs = lake.folder("b", "runs").unwrap();
        for (silver, gold, made) in
            [("SKIPPED", "SKIPPED", false), ("SKIPPED", "SUCCEEDED", true), ("SUCCEEDED", "SKIPPED", true)]
        {
            for (job, status) in [("silver", silver), ("gold", gold)] {
                let result =
                    json!({ "status": status, "code": "NO_RAW_DATA", "message": "no raw data", "metrics": {} });
                runs.put(&format!("{job}.json"), result.to_string()).await.unwrap();
            }
            let results = json!({ "silver": "s3://b/runs/silver.json", "gold": "s3://b/runs/gold.json" });
            let said = summary(&lake, &json!({ "ds": "2025-06-11", "results": results })).await.unwrap();
            let ds = |list: &str| said[list][0]["ds"].clone();
            let expected = if made { (json!("2025-06-11"), Value::Null) } else { (Value::Null, json!("2025-06-11")) };
            assert_eq!((ds("partitions"), ds("skipped")), expected, "{silver} {gold}: {said}");
            assert!(made || said["skipped"][0]["code"] == "NO_RAW_DATA", "{said}");
        }
        assert!(summary(&lake, &json!({ "ds": "2024-02-30" })).await.is_err());
    }
}
