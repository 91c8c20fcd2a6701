//! AWS Glue's answers as a state machine sees them. Source: asl.md 4.3, 4.4.

use asl::{Failure, Timestamp};
use aws::{Crawler, JobRun};
use serde_json::{Map, Value, json};

use super::glue_job::MARKER;

/// Whether a run in this state does no more.
pub(super) fn has_ended(state: &str) -> bool {
    matches!(state, "SUCCEEDED" | "FAILED" | "TIMEOUT" | "ERROR" | "STOPPED" | "EXPIRED")
}

/// The `JobRun` object; instants are epoch milliseconds, as optimised integrations give them.
pub(super) fn described(run: &JobRun) -> Value {
    let arguments: Map<String, Value> = run
        .arguments
        .iter()
        .filter(|(name, _)| *name != MARKER)
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let predecessors: Vec<Value> =
        run.predecessor_runs.iter().map(|(job, run)| json!({ "JobName": job, "RunId": run })).collect();
    let fields = [
        ("AllocatedCapacity", json!(run.allocated_capacity)),
        ("Arguments", Value::Object(arguments)),
        ("Attempt", json!(run.attempt)),
        ("CompletedOn", json!(run.completed_on)),
        ("DPUSeconds", json!(run.dpu_seconds)),
        ("ErrorMessage", json!(run.error_message)),
        ("ExecutionClass", json!(run.execution_class)),
        ("ExecutionTime", json!(run.execution_time)),
        ("GlueVersion", json!(run.glue_version)),
        ("Id", json!(run.id)),
        ("JobMode", json!(run.job_mode)),
        ("JobName", json!(run.job_name)),
        ("JobRunQueuingEnabled", json!(run.job_run_queuing_enabled)),
        ("JobRunState", json!(run.job_run_state)),
        ("LastModifiedOn", json!(run.last_modified_on)),
        ("LogGroupName", json!(run.log_group_name)),
        ("MaintenanceWindow", json!(run.maintenance_window)),
        ("MaxCapacity", json!(run.max_capacity)),
        ("NumberOfWorkers", json!(run.number_of_workers)),
        ("PredecessorRuns", json!(predecessors)),
        ("PreviousRunId", json!(run.previous_run_id)),
        ("ProfileName", json!(run.profile_name)),
        ("SecurityConfiguration", json!(run.security_configuration)),
        ("StartedOn", json!(run.started_on)),
        ("StateDetail", json!(run.state_detail)),
        ("Timeout", json!(run.timeout)),
        ("TriggerName", json!(run.trigger_name)),
        ("WorkerType", json!(run.worker_type)),
    ];
    given(fields)
}

/// `{"Crawler": {...}}`; instants are ISO 8601, as SDK integrations give them.
pub(super) fn described_crawler(crawler: &Crawler) -> Value {
    let instant = |millis: Option<i64>| millis.map(|millis| Timestamp::from_millis(millis).to_string());
    let last = crawler.last_crawl.as_ref().map(|last| {
        given([
            ("Status", json!(last.status)),
            ("ErrorMessage", json!(last.error_message)),
            ("LogGroup", json!(last.log_group)),
            ("LogStream", json!(last.log_stream)),
            ("MessagePrefix", json!(last.message_prefix)),
            ("StartTime", json!(instant(last.start_time))),
        ])
    });
    let described = given([
        ("Name", json!(crawler.name)),
        ("State", json!(crawler.state)),
        ("Role", json!(crawler.role)),
        ("DatabaseName", json!(crawler.database_name)),
        ("Description", json!(crawler.description)),
        ("TablePrefix", json!(crawler.table_prefix)),
        ("CrawlElapsedTime", json!(crawler.crawl_elapsed_time)),
        ("CreationTime", json!(instant(crawler.creation_time))),
        ("LastUpdated", json!(instant(crawler.last_updated))),
        ("LastCrawl", last.unwrap_or_default()),
        ("Version", json!(crawler.version)),
    ]);
    json!({ "Crawler": described })
}

fn given<const N: usize>(fields: [(&str, Value); N]) -> Value {
    fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What the service said, under the name that a Retrier or Catcher matches. `service` is `AWSGlue` for optimised
/// integrations and `Glue` for SDK ones, whose causes differ.
pub(super) fn failure(error: &aws::Error, service: &str, request_id: &str) -> Failure {
    match error {
        aws::Error::Refused { code, message, status, .. } => {
            let name = if code.ends_with("Exception") { code.clone() } else { format!("{code}Exception") };
            let cause = match service {
                "AWSGlue" => format!(
                    "{message} (Service: AWSGlue; Status Code: {status}; Error Code: {code}; Request ID: {request_id}; \
                     Proxy: null)"
                ),
                service => {
                    format!("{message} (Service: {service}, Status Code: {status}, Request ID: {request_id})")
                }
            };
            Failure::new(format!("Glue.{name}"), cause)
        }
        aws::Error::Unreachable { .. } => Failure::new("Glue.SdkClientException", error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_names_of_the_integrations() {
        let refused = |code: &str| aws::Error::Refused {
            service: "AWSGlue",
            call: "StartJobRun",
            code: code.to_owned(),
            message: "Concurrent runs exceeded for etl".to_owned(),
            status: 400,
        };
        let over = failure(&refused("ConcurrentRunsExceededException"), "AWSGlue", "r");
        assert_eq!(over.error.as_deref(), Some("Glue.ConcurrentRunsExceededException"));
        assert_eq!(
            over.cause.as_deref(),
            Some(
                "Concurrent runs exceeded for etl (Service: AWSGlue; Status Code: 400; Error Code: \
                 ConcurrentRunsExceededException; Request ID: r; Proxy: null)"
            )
        );
        let throttled = failure(&refused("Throttling"), "Glue", "r");
        assert_eq!(throttled.error.as_deref(), Some("Glue.ThrottlingException"));
        let gone = aws::Error::Unreachable { service: "AWSGlue", call: "StartJobRun", reason: "refused".to_owned() };
        assert_eq!(failure(&gone, "AWSGlue", "r").error.as_deref(), Some("Glue.SdkClientException"));
    }

    #[test]
    fn a_run_is_shown_without_what_is_not_known_and_without_the_marker() {
        let run = JobRun {
            id: "jr_1".to_owned(),
            job_name: "etl".to_owned(),
            job_run_state: "SUCCEEDED".to_owned(),
            started_on: Some(1_000),
            arguments: [("--ds", "2024-12-06"), (MARKER, "m")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..JobRun::default()
        };
        let shown = described(&run);
        assert_eq!(shown["Arguments"], json!({ "--ds": "2024-12-06" }));
        assert_eq!((&shown["StartedOn"], shown.get("ErrorMessage")), (&json!(1_000), None));
    }
}
