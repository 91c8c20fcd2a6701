//! What jobs say of themselves at their end: kept with the execution, and its figures put into the ledger.

use asl::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Day, PartitionRule, Registry, result};
use crate::alert::{self, JobMetrics};
use crate::engine::{Engine, ReportError};
use crate::integration;
use crate::store::{Hint, LedgerChange, ReportRecord, TaskRecord};

/// The parts of a job's metrics that tell of quality.
const QUALITY_METRICS: [&str; 4] = ["records", "critical_records", "critical_error_rate", "quarantined_records"];

/// A job's report, as a worker sends it before it completes the task. Fields of a newer worker are passed over.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
pub struct JobReport {
    /// The token of the task the job ran for.
    #[serde(rename = "taskToken")]
    pub task_token: String,
    /// The job's result object, or null when it wrote none.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Highest resident memory seen.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
    /// Processor time, user and system.
    #[serde(default)]
    pub cpu_seconds: Option<f64>,
    /// Exit status, or null when a signal ended the job.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// The signal that ended the job.
    #[serde(default)]
    pub signal: Option<i32>,
    /// 1 for the first attempt in the worker, 2 for its retry.
    #[serde(default)]
    pub attempt: Option<u32>,
    /// Start of the attempt, epoch milliseconds.
    #[serde(default)]
    pub started_at: Option<i64>,
    /// End of the attempt, epoch milliseconds.
    #[serde(default)]
    pub ended_at: Option<i64>,
}

/// Where reports go.
#[derive(Clone, Debug)]
pub struct ReportSink {
    /// The engine whose tasks they are about.
    pub engine: Engine,
    /// Whose partitions they are about.
    pub registry: Registry,
    /// The copy for CloudWatch, where it is configured.
    pub metrics: Option<JobMetrics>,
    /// What alarms need to know of this deployment.
    pub alerts: alert::Settings,
}

/// Keeps a report, and adds its figures to the partition it is about.
pub async fn keep_report(sink: &ReportSink, report: JobReport) -> Result<(), ReportError> {
    let task = sink.engine.task_of(&report.task_token).await?;
    let store = sink.engine.store();
    let at = sink.engine.now();
    let execution = store.execution_by_id(task.execution).await?;
    let pipeline = execution.as_ref().and_then(|execution| sink.registry.get(execution.pipeline.as_deref()?));
    let partition = pipeline.as_ref().and_then(|pipeline| partition_of(&pipeline.sheet.partition, &task));
    let partition = partition.or_else(|| execution.as_ref()?.partition.clone());
    let (job, mut body) = body(&task, report);
    // A run of several days has reports of the same job for each of them.
    body["partition"] = json!(partition);
    if let Some(metrics) = &sink.metrics {
        metrics.note(&job, &body, at);
    }
    let record = ReportRecord {
        execution: task.execution,
        task: task.task,
        state: task.state.clone(),
        report: body.clone(),
        at,
    };
    if let (Some(execution), Some(sheet)) = (&execution, pipeline.as_ref().map(|pipeline| &pipeline.sheet))
        && sheet.monitored
        && let Some(alarms) = alert::job_alarms(&sink.alerts, Some(&sheet.topic), execution, &task, &body, at)
    {
        store.post(&[alarms]).await?;
    }
    store.put_report(&record).await?;
    register_tables(&sink.engine, &job, &body).await?;
    if let (Some(pipeline), Some(partition)) = (pipeline, partition) {
        let main = pipeline.sheet.main_job() == Some(job.as_str());
        let figure = |name: &str| if main { figure(&body, &partition, name) } else { None };
        let [rows, bytes, files] = ["rows", "bytes", "files"].map(figure);
        let figures = LedgerChange::Figures {
            pipeline: pipeline.name.clone(),
            partition,
            execution: task.execution,
            rows,
            bytes,
            files,
            quality: json!({ &job: quality(&body) }),
        };
        store.change_ledger(&[figures]).await?;
    }
    sink.engine.announce(Hint::Execution { id: task.execution, ended: false });
    Ok(())
}

/// Puts the tables that the job registered into the local catalog.
async fn register_tables(engine: &Engine, job: &str, body: &Value) -> Result<(), ReportError> {
    match integration::registered_tables(body, job, engine.now()) {
        Ok(tables) if tables.is_empty() => {}
        Ok(tables) => {
            engine.store().merge_tables(&tables).await?;
            engine.announce(Hint::Page);
        }
        // The rest of the report is good, and the job did its work.
        Err(error) => tracing::error!(
            job.name = job,
            error = &error as &dyn std::error::Error,
            "The report of `{job}` holds no `metrics.tables` that can be read; the catalog stays as it was"
        ),
    }
    Ok(())
}

/// The job's name without its environment, and the result object with what the worker measured beside it.
fn body(task: &TaskRecord, report: JobReport) -> (String, Value) {
    let input: Value = serde_json::from_str(&task.input).unwrap_or_default();
    let bound = task.queue.rsplit(':').next().unwrap_or_default();
    let called = input["JobName"].as_str().unwrap_or(bound).to_owned();
    let mut body = match report.result {
        Some(Value::Object(result)) => result,
        _ => Map::from_iter([
            ("job".to_owned(), json!(called)),
            ("status".to_owned(), json!("FAILED")),
            ("code".to_owned(), json!("UNEXPECTED_ERROR")),
            ("message".to_owned(), json!("the job ended without a result object")),
        ]),
    };
    let job = body.get("job").and_then(Value::as_str).map_or(called, str::to_owned);
    let instant = |millis: Option<i64>| millis.map(|millis| Timestamp::from_millis(millis).to_string());
    let took = report.ended_at.zip(report.started_at).map(|(end, start)| (end - start).max(0));
    for (name, value) in [
        ("peak_memory_bytes", json!(report.peak_memory_bytes)),
        ("cpu_seconds", json!(report.cpu_seconds)),
        ("exit_code", json!(report.exit_code)),
        ("signal", json!(report.signal)),
        ("attempt", json!(report.attempt)),
        ("duration_ms", json!(took)),
    ] {
        body.insert(name.to_owned(), value);
    }
    for (name, at) in [("started_at", instant(report.started_at)), ("ended_at", instant(report.ended_at))] {
        body.entry(name).or_insert(json!(at));
    }
    (job, Value::Object(body))
}

/// The partition a task works on: its job's argument of the key's name, or its payload's field.
fn partition_of(rule: &PartitionRule, task: &TaskRecord) -> Option<String> {
    let input: Value = serde_json::from_str(&task.input).ok()?;
    let argument = input.get("Arguments").and_then(|arguments| arguments.get(format!("--{}", rule.key)));
    argument.or_else(|| input.get(&rule.key))?.as_str().map(str::to_owned)
}

/// The sum of a figure over what was published of this partition; what went to quarantine was not, and a run that also
/// made other days (`date=2024-12-06`) did not make them for this one. `None` if nothing was published of it.
fn figure(body: &Value, partition: &str, name: &str) -> Option<i64> {
    let of_this = |uri: &str| {
        let day =
            uri.trim_end_matches('/').rsplit('/').next().and_then(|last| last.split_once('=')).map(|(_, day)| day);
        day.is_none_or(|day| day == partition || Day::parse(day).is_none())
    };
    let published = body["outputs"].as_array()?.iter().filter(|output| {
        let uri = output["uri"].as_str().unwrap_or_default();
        of_this(uri) && !uri.split('/').any(|segment| segment == "quarantine")
    });
    published.filter_map(|output| output[name].as_i64()).reduce(|sum, figure| sum + figure)
}

/// What a job found out about its data.
fn quality(body: &Value) -> Value {
    let metrics = body["metrics"].as_object().into_iter().flatten();
    let of_quality = metrics.filter(|(name, _)| name.starts_with("dq_") || QUALITY_METRICS.contains(&name.as_str()));
    let (outputs, checks) = result::kept(body);
    json!({
        "status": body["status"],
        "code": body["code"],
        "message": body["message"],
        "warnings": body["warnings"],
        "outputs": outputs,
        "checks": checks,
        "metrics": of_quality.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_partition_and_leave_quarantine_out() {
        let body = json!({ "outputs": [
            { "uri": "s3://curated/market/prices/ds=2024-12-07", "rows": 4, "bytes": 100, "files": 1 },
            { "uri": "s3://curated/market/prices/quarantine/ds=2024-12-07", "rows": 9, "bytes": 900, "files": 1 },
            { "uri": "s3://curated/market/prices/ds=2024-12-06", "rows": 7, "bytes": 700, "files": 1 },
            { "uri": "s3://curated/market/summary/", "rows": 1, "bytes": 10, "files": 1 },
            { "uri": "s3://curated/market/by_region/region=north", "rows": 1, "bytes": 10, "files": 1 },
        ] });
        let figures = |day| (figure(&body, day, "rows"), figure(&body, day, "bytes"));
        assert_eq!(figures("2024-12-07"), (Some(6), Some(120)));
        assert_eq!(figures("2024-12-06"), (Some(9), Some(720)));
        assert_eq!(figure(&json!({}), "2024-12-07", "rows"), None);
        let other = json!({ "outputs": [{ "uri": "s3://b/t/ds=2024-12-06", "rows": 7 }] });
        assert_eq!(figure(&other, "2024-12-07", "rows"), None, "it was left alone");
    }

    #[test]
    fn quality_is_the_rules_and_the_outcome() {
        let body = json!({
            "status": "FAILED", "code": "DQ_FAILED", "message": "12 %", "warnings": [],
            "metrics": { "dq_null_symbol": 3, "critical_error_rate": 12.0, "columns": ["symbol"], "files": 2 },
        });
        assert_eq!(quality(&body)["metrics"], json!({ "dq_null_symbol": 3, "critical_error_rate": 12.0 }));
        let checked = json!({ "metrics": { "quality": [{ "table": "t", "check": "rows", "status": "WARN" }] } });
        assert_eq!(quality(&checked)["checks"]["warn"], 1);
    }
}
