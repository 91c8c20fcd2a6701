//! Rows of the two databases as values: the columns have the same names in both, so they are read in one place.

use std::fmt::Display;

use asl::{Event, TaskId, TaskToken, TimerId, Timestamp};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{
    ActivityRecord, CrawlTable, Delivery, DueTimer, Error, ExecutionRecord, ExecutionStatus, LedgerRow, LogLine,
    OutboxMessage, OutboxSettlement, PipelineRecord, ReportRecord, Result, RevisionRecord, SnapshotRecord,
    StateMachineRecord, StateMachineStatus, StateMachineType, TaskRecord, TaskStatus, WorkerRecord,
};

/// How one database gives its columns.
pub(super) trait Columns {
    fn text(&self, column: &'static str) -> Result<String>;
    fn text_or_null(&self, column: &'static str) -> Result<Option<String>>;
    fn number(&self, column: &'static str) -> Result<i64>;
    fn number_or_null(&self, column: &'static str) -> Result<Option<i64>>;
    fn instant(&self, column: &'static str) -> Result<Timestamp>;
    fn instant_or_null(&self, column: &'static str) -> Result<Option<Timestamp>>;
    fn id(&self, column: &'static str) -> Result<Uuid>;
}

/// A column that holds what this version never writes.
pub(super) fn corrupt(column: &str, reason: impl Display) -> Error {
    Error::Corrupt { what: format!("column `{column}`"), reason: reason.to_string() }
}

fn json<T: DeserializeOwned>(row: &impl Columns, column: &'static str) -> Result<T> {
    serde_json::from_str(&row.text(column)?).map_err(|error| corrupt(column, error))
}

fn json_or_null<T: DeserializeOwned>(row: &impl Columns, column: &'static str) -> Result<Option<T>> {
    let text = row.text_or_null(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| corrupt(column, error))).transpose()
}

fn word<T: std::str::FromStr<Err = String>>(row: &impl Columns, column: &'static str) -> Result<T> {
    row.text(column)?.parse().map_err(|error| corrupt(column, error))
}

fn count<T: TryFrom<i64>>(row: &impl Columns, column: &'static str) -> Result<T> {
    let number = row.number(column)?;
    T::try_from(number).map_err(|_| corrupt(column, format_args!("{number} is out of range")))
}

fn count_or_null(row: &impl Columns, column: &'static str) -> Result<Option<u64>> {
    row.number_or_null(column)?.map(|number| u64::try_from(number).map_err(|error| corrupt(column, error))).transpose()
}

pub(super) fn execution(row: &impl Columns) -> Result<ExecutionRecord> {
    Ok(ExecutionRecord {
        id: row.id("id")?,
        arn: row.text("arn")?,
        name: row.text("name")?,
        state_machine_arn: row.text("state_machine_arn")?,
        revision: row.id("revision_id")?,
        revision_number: count(row, "revision_number")?,
        status: word(row, "status")?,
        input: row.text("input")?,
        output: row.text_or_null("output")?,
        error: row.text_or_null("error")?,
        cause: row.text_or_null("cause")?,
        started_at: row.instant("started_at")?,
        stopped_at: row.instant_or_null("stopped_at")?,
        last_event_id: count(row, "last_event_id")?,
        last_public_id: count(row, "last_public_id")?,
        trace_header: row.text_or_null("trace_header")?,
        pipeline: row.text_or_null("pipeline")?,
        partition: row.text_or_null("partition")?,
        trigger: row.text("started_by")?,
    })
}

/// The snapshot beside an execution's row.
pub(super) fn snapshot(row: &impl Columns) -> Result<Option<SnapshotRecord>> {
    let Some(state) = row.text_or_null("snapshot_state")? else { return Ok(None) };
    Ok(Some(SnapshotRecord {
        event: count(row, "snapshot_event_id")?,
        public: count(row, "snapshot_public_id")?,
        state,
    }))
}

/// The events of one row of the journal.
pub(super) fn events(row: &impl Columns) -> Result<Vec<Event>> {
    json(row, "events")
}

/// The events of one row of the journal, whose text this is.
pub(super) fn events_of(text: &str) -> Result<Vec<Event>> {
    serde_json::from_str(text).map_err(|error| corrupt("events", error))
}

/// The events of a row of the journal, as they are written.
pub(super) fn events_text(events: &[Event]) -> String {
    serde_json::to_string(events).expect("events are plain values with text keys")
}

pub(super) fn task(row: &impl Columns) -> Result<TaskRecord> {
    let token = row.text_or_null("token")?;
    let token = token.map(|token| match TaskToken::parse(&token) {
        Some((token, _, _)) => Ok(token),
        None => Err(corrupt("token", "its checksum is wrong")),
    });
    let submission = row.text_or_null("submission")?;
    let submission = submission.map(|text| serde_json::from_str(&text).map_err(|error| corrupt("submission", error)));
    Ok(TaskRecord {
        execution: row.id("execution_id")?,
        task: TaskId(count(row, "task_id")?),
        queue: row.text("queue")?,
        state: row.text("state")?,
        attempt: count(row, "attempt")?,
        resource: json(row, "resource")?,
        input: row.text("input")?,
        status: match row.text("status")?.as_str() {
            "SCHEDULED" => TaskStatus::Scheduled,
            "STARTED" => TaskStatus::Started,
            other => return Err(corrupt("status", format_args!("`{other}` is no status of a task"))),
        },
        token: token.transpose()?,
        worker: row.text_or_null("worker")?,
        scheduled_at: row.instant("scheduled_at")?,
        started_at: row.instant_or_null("started_at")?,
        heartbeat_seconds: count_or_null(row, "heartbeat_seconds")?,
        lease_seconds: count_or_null(row, "lease_seconds")?,
        lease_expires_at: row.instant_or_null("lease_expires_at")?,
        redeliveries: count(row, "redeliveries")?,
        submission: submission.transpose()?,
    })
}

pub(super) fn timer(row: &impl Columns) -> Result<DueTimer> {
    Ok(DueTimer {
        execution: row.id("execution_id")?,
        timer: TimerId { event: count(row, "event_id")?, kind: word(row, "kind")? },
        due_at: row.instant("due_at")?,
    })
}

/// A machine joined with its revision, whose own `created_at` is `revision_created_at`.
pub(super) fn state_machine(row: &impl Columns) -> Result<StateMachineRecord> {
    Ok(StateMachineRecord {
        arn: row.text("arn")?,
        name: row.text("name")?,
        kind: match row.text("kind")?.as_str() {
            "STANDARD" => StateMachineType::Standard,
            "EXPRESS" => StateMachineType::Express,
            other => return Err(corrupt("kind", format_args!("`{other}` is no type of a state machine"))),
        },
        status: match row.text("status")?.as_str() {
            "ACTIVE" => StateMachineStatus::Active,
            "DELETING" => StateMachineStatus::Deleting,
            other => return Err(corrupt("status", format_args!("`{other}` is no status of a state machine"))),
        },
        created_at: row.instant("created_at")?,
        revision: revision(row)?,
        tags: json(row, "tags")?,
    })
}

/// The word for a machine's type that the store keeps.
pub(super) const fn kind_word(kind: StateMachineType) -> &'static str {
    match kind {
        StateMachineType::Standard => "STANDARD",
        StateMachineType::Express => "EXPRESS",
    }
}

/// The word for a machine's status that the store keeps.
pub(super) const fn status_word(status: StateMachineStatus) -> &'static str {
    match status {
        StateMachineStatus::Active => "ACTIVE",
        StateMachineStatus::Deleting => "DELETING",
    }
}

pub(super) fn revision(row: &impl Columns) -> Result<RevisionRecord> {
    Ok(RevisionRecord {
        id: row.id("revision_id")?,
        state_machine_arn: row.text("state_machine_arn")?,
        number: count(row, "number")?,
        definition: row.text("definition")?,
        role_arn: row.text("role_arn")?,
        logging: json(row, "logging")?,
        tracing: json(row, "tracing")?,
        encryption: json(row, "encryption")?,
        created_at: row.instant("revision_created_at")?,
    })
}

pub(super) fn activity(row: &impl Columns) -> Result<ActivityRecord> {
    Ok(ActivityRecord {
        arn: row.text("arn")?,
        name: row.text("name")?,
        created_at: row.instant("created_at")?,
        tags: json(row, "tags")?,
    })
}

pub(super) fn log_line(row: &impl Columns) -> Result<LogLine> {
    Ok(LogLine {
        number: row.number("number")?,
        task: TaskId(count(row, "task_id")?),
        at: row.instant("at")?,
        stream: row.text("stream")?,
        text: row.text("text")?,
    })
}

pub(super) fn report(row: &impl Columns) -> Result<ReportRecord> {
    Ok(ReportRecord {
        execution: row.id("execution_id")?,
        task: TaskId(count(row, "task_id")?),
        state: row.text("state")?,
        report: json(row, "report")?,
        at: row.instant("at")?,
    })
}

pub(super) fn pipeline(row: &impl Columns) -> Result<PipelineRecord> {
    Ok(PipelineRecord {
        name: row.text("name")?,
        state_machine_arn: row.text("state_machine_arn")?,
        sheet: row.text("sheet")?,
        updated_at: row.instant("updated_at")?,
    })
}

pub(super) fn ledger(row: &impl Columns) -> Result<LedgerRow> {
    Ok(LedgerRow {
        pipeline: row.text("pipeline")?,
        partition: row.text("partition")?,
        outcome: word(row, "outcome")?,
        reason: row.text_or_null("reason")?,
        execution: row.id("execution_id")?,
        execution_arn: row.text("execution_arn")?,
        rows: row.number_or_null("row_count")?,
        bytes: row.number_or_null("byte_count")?,
        files: row.number_or_null("file_count")?,
        quality: json(row, "quality")?,
        started_at: row.instant("started_at")?,
        ended_at: row.instant_or_null("ended_at")?,
        earlier: json_or_null(row, "earlier")?,
        queued: json_or_null(row, "queued")?,
    })
}

/// A value that may be missing, as it is kept.
pub(super) fn json_text<T: serde::Serialize>(value: Option<&T>) -> Option<String> {
    value.map(|value| serde_json::to_string(value).expect("rows of the ledger are plain values"))
}

pub(super) fn outbox(row: &impl Columns) -> Result<OutboxMessage> {
    Ok(OutboxMessage {
        id: row.id("id")?,
        channel: row.text("channel")?,
        payload: json(row, "payload")?,
        delivery: word(row, "delivery")?,
        attempts: count(row, "attempts")?,
        note: row.text_or_null("note")?,
        created_at: row.instant("created_at")?,
        due_at: row.instant("due_at")?,
    })
}

pub(super) fn crawl_table(row: &impl Columns) -> Result<CrawlTable> {
    Ok(CrawlTable {
        database: row.text("database")?,
        name: row.text("name")?,
        location: row.text("location")?,
        columns: json(row, "columns")?,
        partition_keys: json(row, "partition_keys")?,
        partitions: json(row, "partitions")?,
        crawler: row.text("crawler")?,
        updated_at: row.instant("updated_at")?,
    })
}

pub(super) fn worker(row: &impl Columns) -> Result<WorkerRecord> {
    Ok(WorkerRecord { name: row.text("name")?, about: json(row, "about")?, seen_at: row.instant("seen_at")? })
}

/// A number of an event or a count, as the databases keep it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A span as the databases keep it: a century is for ever, and adding it to an instant cannot overflow.
pub(super) fn seconds(seconds: u64) -> i64 {
    const CENTURY_SECONDS: u64 = 100 * 366 * 86_400;
    signed(seconds.min(CENTURY_SECONDS))
}

/// A span in milliseconds, at most a century.
pub(super) fn millis(span: std::time::Duration) -> i64 {
    seconds(span.as_secs()) * 1000 + i64::from(span.subsec_millis())
}

/// What a task calls, as it is kept.
pub(super) fn resource_text(resource: &asl::execution::Resource) -> String {
    serde_json::to_string(resource).expect("a resource is plain text")
}

/// The pause before a message is tried again; none once it is settled.
pub(super) fn pause_ms(settlement: &OutboxSettlement) -> i64 {
    match settlement.delivery {
        Delivery::Pending => millis(settlement.retry_after),
        Delivery::Sent | Delivery::Failed | Delivery::NotConfigured => 0,
    }
}

/// Counts by status, in the order of the statuses.
pub(super) fn status_counts(rows: Vec<(String, i64)>) -> Result<Vec<(ExecutionStatus, u64)>> {
    let counts = rows.into_iter().map(|(status, count)| {
        Ok((status.parse().map_err(|error: String| corrupt("status", error))?, count.unsigned_abs()))
    });
    let mut counts: Vec<_> = counts.collect::<Result<_>>()?;
    counts.sort_unstable();
    Ok(counts)
}
