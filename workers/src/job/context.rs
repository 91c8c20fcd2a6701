//! What a running job is given, and where it reports to.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::{Arguments, Code, JobError, JobStatus, Output, QualityCheck, QualityStatus, Severity};
use crate::lake::delta::{Delta, Written};
use crate::lake::{Folder, Lake, Partition, PartitionLock, Success};

/// The surroundings of one run. Reports survive a failure: metrics and outputs of a failed job are in its result.
#[derive(Debug)]
pub struct JobContext {
    /// The lake.
    pub lake: Lake,
    /// The command line.
    pub arguments: Arguments,
    /// This run.
    pub run_id: String,
    lock_owner: String,
    spark_remote: Option<String>,
    pub(super) report: Mutex<Report>,
    pub(super) locks: Mutex<Vec<Arc<PartitionLock>>>,
}

#[derive(Debug, Default)]
pub(super) struct Report {
    pub metrics: Map<String, Value>,
    pub outputs: Vec<Output>,
    pub warnings: Vec<String>,
}

/// How a job that did not fail ended.
#[derive(Clone, Debug)]
pub struct Finish {
    pub(crate) status: JobStatus,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Finish {
    /// All done.
    pub fn succeeded(message: impl Into<String>) -> Finish {
        Finish { status: JobStatus::Succeeded, code: "OK".to_owned(), message: message.into() }
    }

    /// Rightly nothing to do.
    pub fn skipped(code: Code, message: impl Into<String>) -> Finish {
        Finish { status: JobStatus::Skipped, code: code.as_str().to_owned(), message: message.into() }
    }

    /// Done, but some partitions failed.
    pub fn partial(code: Code, message: impl Into<String>) -> Finish {
        Finish { status: JobStatus::Partial, code: code.as_str().to_owned(), message: message.into() }
    }

    /// The same, but what came after it failed; the code is that failure's, unless there was one already.
    #[must_use]
    pub fn but_partial(self, code: Code, what: &str) -> Finish {
        let code = if self.status == JobStatus::Partial { self.code } else { code.as_str().to_owned() };
        Finish { status: JobStatus::Partial, code, message: format!("{}; {what}", self.message) }
    }
}

impl JobContext {
    pub(super) fn new(lake: Lake, arguments: Arguments, run_id: String, lock_owner: String) -> JobContext {
        JobContext {
            lake,
            arguments,
            run_id,
            lock_owner,
            spark_remote: None,
            report: Mutex::default(),
            locks: Mutex::default(),
        }
    }

    /// The same run with its SQL on a Spark Connect endpoint (`sc://host:port`).
    #[must_use]
    pub fn on_spark(mut self, remote: &str) -> JobContext {
        self.spark_remote = Some(remote.to_owned());
        self
    }

    /// The Spark Connect endpoint that the run's SQL runs on; `None`: this machine.
    pub(crate) fn spark_remote(&self) -> Option<&str> {
        self.spark_remote.as_deref()
    }

    /// A context without a command line and without a result, for tests and tools; the run owns its locks.
    pub fn detached(lake: Lake, run_id: &str) -> JobContext {
        JobContext::new(lake, Arguments::default(), run_id.to_owned(), run_id.to_owned())
    }

    /// Sets a metric of the result.
    pub fn metric(&self, name: &str, value: impl Into<Value>) {
        self.report.lock().metrics.insert(name.to_owned(), value.into());
    }

    /// Changes a metric of the result; null if there is none yet.
    pub(crate) fn change_metric<R>(&self, name: &str, change: impl FnOnce(&mut Value) -> R) -> R {
        change(self.report.lock().metrics.entry(name).or_insert(Value::Null))
    }

    /// Adds a warning to the result, and logs it.
    pub fn warn(&self, message: impl Into<String>) {
        let message = message.into();
        tracing::warn!("{message}");
        self.report.lock().warnings.push(message);
    }

    /// Warns, and raises an alarm: the orchestrator sends it to the pipeline's topic, although the job goes on. Alarms are the
    /// metric `alarms`: `[{severity, text}]`.
    pub fn alarm(&self, severity: Severity, text: impl Into<String>) {
        let text = text.into();
        self.warn(text.clone());
        let mut report = self.report.lock();
        let all = report.metrics.entry("alarms").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(all) = all {
            all.push(json!({ "severity": severity, "text": text }));
        }
    }

    /// Adds a published partition to the outputs.
    pub fn output(&self, partition: &Partition, success: &Success) {
        self.add_output(Output {
            uri: partition.uri(),
            rows: success.rows.unwrap_or_default(),
            files: success.files.len() as u64,
            bytes: success.bytes(),
        });
    }

    /// Adds what a commit wrote to a Delta table to the outputs.
    pub fn delta_output(&self, table: &Delta, written: &Written) {
        let Written { rows, files, bytes, .. } = *written;
        self.add_output(Output { uri: table.uri(), rows, files, bytes });
    }

    fn add_output(&self, output: Output) {
        tracing::info!(
            row_count = output.rows,
            size_bytes = output.bytes,
            "Published {} rows in {} file(s) to `{}`",
            output.rows,
            output.files,
            output.uri
        );
        self.report.lock().outputs.push(output);
    }

    /// Adds a result to the metric `quality`, and logs it unless it passed.
    pub fn quality(&self, check: QualityCheck) {
        let QualityCheck { table, check: name, status, expected, actual, tolerance, details } = &check;
        match status {
            QualityStatus::Pass => {}
            QualityStatus::Warn | QualityStatus::Fail => tracing::warn!(
                table.name = table,
                quality.status = ?status,
                "Quality check `{name}` of `{table}`: {status:?}; expected {expected}, found {actual} (tolerance {tolerance}) {details}"
            ),
        }
        let check = serde_json::to_value(&check).expect("a check has string keys only");
        let mut report = self.report.lock();
        let all = report.metrics.entry("quality").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(all) = all {
            all.push(check);
        }
    }

    /// Takes the lock of a whole table (a Delta table, a folder replaced at once) until the job ends, however it ends.
    ///
    /// # Errors
    /// As [`JobContext::lock`]; `PRE_VALIDATION_FAILED` for the top of a bucket, which has no name to lock.
    pub async fn lock_folder(&self, folder: &Folder) -> Result<Arc<PartitionLock>, JobError> {
        let Some((parent, name)) = folder.parent() else {
            return Err(JobError::arguments(format!("`{}` is a whole bucket; give a folder in it", folder.uri())));
        };
        self.lock(&Partition::new(parent, &name)).await
    }

    /// Takes a partition's lock until the job ends, however it ends.
    ///
    /// # Errors
    /// `CONCURRENT_RUNS_EXCEEDED` while another run holds it; `STORAGE_ERROR`.
    pub async fn lock(&self, partition: &Partition) -> Result<Arc<PartitionLock>, JobError> {
        let lock = PartitionLock::acquire(partition, &self.lock_owner).await?;
        self.locks.lock().push(lock.clone());
        Ok(lock)
    }

    /// Runs heavy work (plans, parsing) off the async threads, so that locks are renewed meanwhile.
    ///
    /// # Errors
    /// The work's own; a panic in it is `UNEXPECTED_ERROR`.
    pub async fn blocking<T, F>(&self, work: F) -> Result<T, JobError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, JobError> + Send + 'static,
    {
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => Err(JobError::new(Code::UnexpectedError, format!("a step of the job broke off: {error}"))),
        }
    }
}

/// A context on a lake of its own, for what jobs share.
#[cfg(test)]
pub(crate) fn test_context() -> (tempfile::TempDir, JobContext) {
    let place = tempfile::tempdir().expect("a folder for the test");
    let lake = Lake::at(place.path().to_str().expect("a path of text")).expect("a lake");
    let arguments = Arguments::parse(&[], &[]).expect("no arguments");
    (place, JobContext::new(lake, arguments, "test".to_owned(), "test".to_owned()))
}
