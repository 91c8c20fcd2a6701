//! What a run made of its date: read from the results that the two jobs left, since a Glue job run does not tell them.
//!
//! Input: `{ds, gold_path, ingestion_result_uri, compaction_result_uri}`. Output: `{ds, partitions: [ds] or [],
//! skipped: [{ds, code, reason}] or [], shouldRunCrawler, ingestion, compaction}`; the last two are `{status, code,
//! message}` or null if a job left no result. The ledger of the pipeline goes by `partitions` and `skipped`.

use serde_json::{Value, json};

use super::columns::DATE;
use crate::job::{Code, FunctionDefinition, JobError, JobResult, parse_date};
use crate::lake::{Lake, Partition, hive_name};

/// The function.
pub(crate) const OUTCOME: FunctionDefinition = FunctionDefinition {
    name: "fact-sales-outcome",
    summary: "Tells what a run made of its date, and whether there is anything new for the crawler",
    run: |lake, input| Box::pin(async move { outcome(&lake, &input).await }),
};

async fn outcome(lake: &Lake, input: &Value) -> Result<Value, JobError> {
    let text = |name: &str| match input.get(name).and_then(Value::as_str).map(str::trim) {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(JobError::arguments(format!("`{name}` is required; give a text"))),
    };
    let ds = text("ds")?;
    if parse_date(ds).is_none() {
        return Err(JobError::arguments(format!("`ds` is `{ds}`; give a calendar date as YYYY-MM-DD")));
    }
    let partition = Partition::new(lake.folder_at(text("gold_path")?)?, &hive_name(DATE, Some(ds)));
    let ingestion = JobResult::left_at(lake, text("ingestion_result_uri")?).await?;
    let compaction = JobResult::left_at(lake, text("compaction_result_uri")?).await?;
    let outputs = compaction.as_ref().map_or(&[][..], |result| &result.outputs);
    let written = outputs.iter().any(|output| output.uri == partition.uri());
    let mut answer = json!({
        "ds": ds,
        "partitions": [],
        "skipped": [],
        "shouldRunCrawler": !outputs.is_empty(),
        "ingestion": ingestion.as_ref().map(JobResult::described),
        "compaction": compaction.as_ref().map(JobResult::described),
    });
    if written {
        answer["partitions"] = json!([ds]);
        return Ok(answer);
    }
    let listed = |metric: &str| {
        let dates = compaction.as_ref().and_then(|result| result.metrics.get(metric)).and_then(Value::as_array);
        dates.is_some_and(|dates| dates.iter().any(|date| date == ds))
    };
    let (code, reason) = if listed("deferred_dates") {
        ("DEFERRED", "more dates were waiting than one run compacts; run it again")
    } else if listed("too_late_dates") {
        ("TOO_LATE", "the date is older than the watermark; reprocess it if it is to be compacted")
    } else if partition.state().await?.is_complete() {
        (Code::IdempotentSkip.as_str(), "gold holds the date already, made from the same files")
    } else {
        (Code::NoInputData.as_str(), "there are no processed sales of this date")
    };
    answer["skipped"] = json!([{ "ds": ds, "code": code, "reason": reason }]);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(outputs: Value, metrics: Value, gold: &[&str], partitions: Value, code: Option<&str>) {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        let folder = lake.folder("b", "").unwrap();
        for name in gold {
            folder.put(name, r#"{"run_id":"r","written_at":"","rows":1,"files":[]}"#).await.unwrap();
        }
        let root = folder.uri();
        let outputs = outputs.to_string().replace("ROOT", &root);
        let result = format!(
            r#"{{"job":"j","run_id":"r","status":"SUCCEEDED","code":"OK","message":"m","started_at":"","ended_at":"",
                "metrics":{metrics},"outputs":{outputs},"warnings":[]}}"#
        );
        folder.put("runs/x/compaction.json", result).await.unwrap();
        let input = json!({
            "ds": "2024-12-07",
            "gold_path": "s3://b/gold/",
            "ingestion_result_uri": "s3://b/runs/x/ingestion.json",
            "compaction_result_uri": "s3://b/runs/x/compaction.json",
        });
        let answer = outcome(&lake, &input).await.unwrap();
        assert_eq!(answer["partitions"], partitions, "{answer:#}");
        assert_eq!(answer["skipped"][0]["code"].as_str(), code, "{answer:#}");
        assert_eq!((&answer["ingestion"], &answer["compaction"]["code"]), (&Value::Null, &json!("OK")));
        assert_eq!(answer["shouldRunCrawler"], json!(outputs != "[]"));
    }

    #[tokio::test]
    async fn a_date_was_made_or_there_is_a_reason() {
        let output =
            |date: &str| json!([{ "uri": format!("ROOT/gold/date={date}"), "rows": 1, "files": 1, "bytes": 1 }]);
        check(output("2024-12-07"), json!({}), &[], json!(["2024-12-07"]), None).await;
        check(output("2024-12-06"), json!({}), &[], json!([]), Some("NO_INPUT_DATA")).await;
        check(json!([]), json!({}), &["gold/date=2024-12-07/_SUCCESS"], json!([]), Some("IDEMPOTENT_SKIP")).await;
        check(json!([]), json!({ "deferred_dates": ["2024-12-07"] }), &[], json!([]), Some("DEFERRED")).await;
        check(json!([]), json!({ "too_late_dates": ["2024-12-07"] }), &[], json!([]), Some("TOO_LATE")).await;
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_input_is_named() {
        let lake = Lake::at("/nowhere").unwrap();
        for (input, part) in [
            (json!({}), "`ds`"),
            (json!({ "ds": "2024-02-30" }), "2024-02-30"),
            (json!({ "ds": "2024-12-07" }), "`gold_path`"),
        ] {
            let error = outcome(&lake, &input).await.unwrap_err();
            assert!(error.message.contains(part), "{input}: {error}");
        }
    }
}
