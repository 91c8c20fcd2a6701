//! The rules that every store obeys, as tests over the contract alone.
//!
//! Each rule is given an empty store. [`crate::store_conformance`] makes a test of every rule for one store.

#![allow(clippy::unwrap_used, reason = "rules are tests, and a test may panic")]
#![allow(missing_docs, reason = "the name of a rule is the fact it proves")]

pub mod commits;
pub mod executions;
pub mod ledgers;
pub mod machines;
pub mod tasks;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use asl::execution::{EventKind, FrameId, PublicId, Resource, StateType};
use asl::{Event, EventId, TaskId, TaskToken, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Commit, CommitResult, End, ExecutionId, ExecutionRecord, ExecutionStatus, NewExecution, NewTask, RevisionRecord,
    StateMachineRecord, StateMachineStatus, StateMachineType, Store, TaskChange, TaskStart,
};

/// One test per rule. `$open` is an async function that gives a store and what must outlive it.
#[macro_export]
macro_rules! store_conformance {
    ($open:path) => {
        $crate::store_conformance!(@rules $open,
            commits: new_execution_is_loaded_with_its_events,
            commits: stale_commit_changes_nothing_and_spares_its_neighbours,
            commits: two_writers_race_and_one_wins_each_event,
            commits: taken_name_returns_the_execution_that_has_it,
            commits: one_batch_gives_a_name_once,
            commits: two_nodes_start_one_name_once,
            commits: machine_that_is_gone_starts_nothing,
            commits: end_takes_tasks_and_timers_with_it,
            commits: execution_may_start_and_end_in_one_commit,
            commits: what_one_commit_makes_and_ends_never_existed,
            commits: start_of_a_task_that_is_not_scheduled_is_stale,
            commits: two_starts_of_one_task_and_one_wins,
            commits: report_of_a_task_that_is_somebody_elses_is_stale,
            commits: empty_batch_is_no_commits,
            commits: text_from_outside_survives_or_is_made_harmless,
            commits: big_batch_is_one_commit,
            tasks: claims_are_oldest_first_and_of_the_asked_queues,
            tasks: claim_never_hands_a_task_out_twice,
            tasks: reservation_ends_by_time_or_by_hand,
            tasks: task_may_be_handed_over_within_its_commit,
            tasks: submission_is_kept_with_the_task,
            tasks: heartbeat_is_for_the_holder_of_the_token,
            tasks: expired_lease_is_handed_out_again_a_bounded_number_of_times,
            tasks: wait_for_what_was_submitted_is_handed_out_again_any_number_of_times,
            tasks: callback_is_nobodys_to_hold_once_it_was_submitted,
            tasks: released_task_is_visible_again,
            tasks: timers_come_in_order_and_are_reserved,
            tasks: timer_is_replaced_and_removed,
            tasks: backlog_counts_what_waits,
            tasks: stalled_executions_wait_for_nothing,
            executions: history_pages_forward_and_backward,
            executions: load_goes_on_from_the_newest_snapshot,
            executions: lists_page_newest_first_and_filter,
            executions: counts_are_by_status_and_age,
            executions: logs_are_numbered_per_execution,
            executions: concurrent_log_lines_keep_their_order,
            executions: second_report_replaces_the_first,
            machines: machine_is_created_once,
            machines: revisions_stay_when_a_new_one_comes,
            machines: no_two_revisions_have_one_number,
            machines: machine_with_running_executions_is_deleted_with_the_last,
            machines: machines_are_listed_in_order_of_creation,
            machines: activity_is_created_once_and_deleted,
            ledgers: exclusive_run_of_a_busy_partition_is_refused,
            ledgers: only_one_of_two_exclusive_runs_begins,
            ledgers: ledger_follows_its_execution,
            ledgers: queued_run_has_its_turn_in_the_commit_that_ends_the_other,
            ledgers: ledger_is_read_by_range_and_newest,
            ledgers: message_is_sent_at_least_once,
            ledgers: pipelines_tables_and_workers_are_kept,
        );
    };
    (@rules $open:path, $($module:ident : $rule:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let (store, kept) = $open().await;
                $crate::store::conformance::$module::$rule(store).await;
                drop(kept);
            }
        )*
    };
}

/// A store behind the contract.
pub type Shared = Arc<dyn Store>;

/// The machine of all rules.
pub const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:m";
/// The queue of all rules.
pub const QUEUE: &str = "arn:aws:states:us-east-1:123456789012:activity:a";

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

pub(crate) fn revision(arn: &str, number: u32) -> RevisionRecord {
    RevisionRecord {
        id: Uuid::new_v4(),
        state_machine_arn: arn.into(),
        number,
        definition: format!(r#"{{ "Comment": "revision {number}" }}"#),
        role_arn: "arn:aws:iam::123456789012:role/r".into(),
        logging: json!({ "level": "OFF" }),
        tracing: json!({ "enabled": false }),
        encryption: Value::Null,
        created_at: at(i64::from(number)),
    }
}

pub(crate) fn machine(arn: &str, created_at: i64) -> StateMachineRecord {
    StateMachineRecord {
        arn: arn.into(),
        name: arn.rsplit(':').next().unwrap().into(),
        kind: StateMachineType::Standard,
        status: StateMachineStatus::Active,
        created_at: at(created_at),
        revision: revision(arn, 1),
        tags: json!([{ "key": "team", "value": "data" }]),
    }
}

pub(crate) async fn with_machine(store: &Shared) {
    store.create_state_machine(&machine(MACHINE, 0)).await.unwrap();
}

/// Event `id`, public under the same id.
pub(crate) fn event(id: EventId) -> Event {
    hidden(id, Some(id))
}

/// Event `id` with another public id, or none.
pub(crate) fn hidden(id: EventId, public: Option<EventId>) -> Event {
    Event {
        id,
        at: at(id as i64),
        frame: FrameId::TOP,
        public: public.map(|id| PublicId { id, previous: id - 1 }),
        kind: EventKind::StateEntered {
            name: format!("S{id}").as_str().into(),
            state: StateType::Pass,
            input: Arc::new(json!({ "b": id, "a": "\u{0} \u{1f980} \"", "n": 1.5e300 })),
        },
    }
}

pub(crate) fn record(name: &str, started_at: i64) -> ExecutionRecord {
    ExecutionRecord {
        id: Uuid::new_v4(),
        arn: format!("arn:aws:states:us-east-1:123456789012:execution:m:{name}"),
        name: name.into(),
        state_machine_arn: MACHINE.into(),
        revision: Uuid::from_u128(1),
        revision_number: 1,
        status: ExecutionStatus::Running,
        input: r#"{ "z": 1, "a": [1.0, 10000000000000000000000] }"#.into(),
        output: None,
        error: None,
        cause: None,
        started_at: at(started_at),
        stopped_at: None,
        last_event_id: 1,
        last_public_id: 1,
        trace_header: None,
        pipeline: None,
        partition: None,
        trigger: "api".into(),
    }
}

/// The first commit of a new execution: one event.
pub(crate) fn start(record: ExecutionRecord) -> Commit {
    Commit {
        execution: record.id,
        events: vec![event(1)],
        create: Some(Box::new(NewExecution { record, exclusive: false })),
        ..Commit::default()
    }
}

/// A commit of one event after `expected`.
pub(crate) fn step(execution: ExecutionId, expected: EventId) -> Commit {
    Commit { execution, expected, events: vec![event(expected + 1)], ..Commit::default() }
}

pub(crate) fn end(status: ExecutionStatus, stopped_at: i64) -> End {
    let output = (status == ExecutionStatus::Succeeded).then(|| r#"{ "ok": true }"#.to_owned());
    End { status, output, error: None, cause: None, stopped_at: at(stopped_at) }
}

pub(crate) fn token(execution: ExecutionId, task: TaskId, secret: u8) -> TaskToken {
    TaskToken::new(execution.as_u128(), task, [secret; 16])
}

pub(crate) fn task(id: EventId, queue: &str) -> NewTask {
    NewTask {
        task: TaskId(id),
        queue: queue.into(),
        state: format!("S{id}"),
        attempt: 1,
        resource: Resource::Activity(queue.into()),
        input: r#"{ "ds": "2024-12-07" }"#.into(),
        token: None,
        heartbeat_seconds: None,
        lease_seconds: None,
        started: None,
    }
}

pub(crate) fn taken(execution: ExecutionId, id: EventId, secret: u8) -> TaskChange {
    let token = token(execution, TaskId(id), secret);
    TaskChange::Start { task: TaskId(id), start: TaskStart { worker: Some("w".into()), token } }
}

/// Commits one, which must hold.
pub(crate) async fn hold(store: &Shared, commit: Commit) -> ExecutionId {
    let id = commit.execution;
    let result = one(store, commit).await;
    assert!(matches!(result, CommitResult::Committed), "{result:?}");
    id
}

/// Commits one.
pub(crate) async fn one(store: &Shared, commit: Commit) -> CommitResult {
    let mut results = store.commit(vec![commit]).await.unwrap();
    assert_eq!(results.len(), 1);
    results.remove(0)
}

/// A running execution with one visible task (id 1) per queue.
pub(crate) async fn waiting(store: &Shared, name: &str, queue: &str) -> ExecutionId {
    hold(store, Commit { tasks: vec![task(1, queue)], ..start(record(name, 0)) }).await
}

/// Asks until the answer is there, at most a few seconds.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
