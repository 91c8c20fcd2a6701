//! Metrics of jobs for CloudWatch: gathered in memory, sent in batches.
//!
//! A job's figures are in its report and in the ledger; these are a copy for graphs and alarms, so a batch that is lost
//! with the process is not missed.

use std::sync::Arc;
use std::time::Duration;

use aws::{Datum, Metrics, Unit};
use parking_lot::Mutex;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// How often a batch goes out.
const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// More are dropped, oldest first, while CloudWatch is away.
const WAITING_MAX: usize = 20_000;
/// Source: CloudWatch quotas, `PutMetricData`.
const BATCH_MAX: usize = 1_000;

/// The metrics of jobs that wait for the next batch. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct JobMetrics(Arc<Mutex<Vec<Datum>>>);

impl JobMetrics {
    /// Notes what a job reported: its time, memory, rows, alarms, and every number among its metrics.
    pub fn note(&self, job: &str, report: &Value, at: asl::Timestamp) {
        let mut data = Vec::new();
        let mut push = |name: &str, value: Option<f64>, unit: Unit| {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                let dimensions = vec![("JobName".to_owned(), job.to_owned())];
                data.push(Datum { name: name.to_owned(), dimensions, value, unit, at_millis: at.millis() });
            }
        };
        let number = |value: &Value| value.as_f64();
        push("JobTime", number(&report["duration_ms"]), Unit::Milliseconds);
        push("JobPeakMemory", number(&report["peak_memory_bytes"]), Unit::Bytes);
        push("JobCpuTime", number(&report["cpu_seconds"]), Unit::Seconds);
        let failed = report["status"].as_str().is_none_or(|status| status == "FAILED");
        push(if failed { "JobsFailed" } else { "JobsSucceeded" }, Some(1.0), Unit::Count);
        let alarms = report["metrics"]["alarms"].as_array().map_or(0, Vec::len);
        push("JobAlarms", Some(alarms as f64), Unit::Count);
        let outputs = report["outputs"].as_array();
        for (name, field, unit) in [("RowsWritten", "rows", Unit::Count), ("BytesWritten", "bytes", Unit::Bytes)] {
            push(name, outputs.map(|outputs| outputs.iter().filter_map(|output| output[field].as_f64()).sum()), unit);
        }
        for (name, value) in report["metrics"].as_object().into_iter().flatten() {
            push(name, number(value), Unit::None);
        }
        let mut waiting = self.0.lock();
        waiting.extend(data);
        let surplus = waiting.len().saturating_sub(WAITING_MAX);
        waiting.drain(..surplus);
    }

    /// Sends batches until `shutdown`, the last one then.
    pub async fn run(&self, metrics: Arc<dyn Metrics>, namespace: &str, shutdown: CancellationToken) {
        loop {
            let over = tokio::select! {
                () = tokio::time::sleep(FLUSH_EVERY) => false,
                () = shutdown.cancelled() => true,
            };
            self.flush(&*metrics, namespace).await;
            if over {
                return;
            }
        }
    }

    /// Sends what waits; what could not be sent waits on.
    pub async fn flush(&self, metrics: &dyn Metrics, namespace: &str) {
        loop {
            let batch: Vec<Datum> = {
                let mut waiting = self.0.lock();
                let count = waiting.len().min(BATCH_MAX);
                waiting.drain(..count).collect()
            };
            if batch.is_empty() {
                return;
            }
            if let Err(error) = metrics.put(namespace, &batch).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "Metrics of jobs do not reach CloudWatch yet");
                self.0.lock().splice(0..0, batch);
                return;
            }
        }
    }
}
