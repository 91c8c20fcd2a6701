//! One fact each: what once went wrong, without the storm around it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use asl::execution::{EventKind, Limits};
use asl::{TaskToken, Timestamp};
use futures::FutureExt as _;
use orchestrator::engine::{Binding, Clock, Config, Engine, NoHooks, ReportError, StartRequest, Started, TakenTask};
use orchestrator::store::{
    ActivityRecord, Commit, CommitResult, ExecutionRecord, ExecutionStatus, FailPoint, INTEGRATION_QUEUE, MemoryStore,
    NewExecution, NewTask, Store, TaskStart,
};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::machine::{self, ACTIVITY, FUNCTION_QUEUE};
use crate::storm::in_virtual_time;
use crate::world::{Plan, World, arn, stored};

const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

async fn store() -> MemoryStore {
    let beginning = Instant::now();
    let now = move || Timestamp::from_millis(i64::try_from(beginning.elapsed().as_millis()).expect("a short test"));
    let store = MemoryStore::with_clock(Arc::new(now));
    for machine in machine::all() {
        store.create_state_machine(&stored(machine)).await.expect("a new store takes machines");
    }
    let (arn, name) = (ACTIVITY.to_owned(), "act".to_owned());
    let activity = ActivityRecord { arn, name, created_at: Timestamp::from_millis(0), tags: json!([]) };
    store.create_activity(&activity).await.expect("a new store takes activities");
    store
}

fn engine(store: &MemoryStore) -> Engine {
    engine_that_redelivers(store, 2)
}

fn engine_that_redelivers(store: &MemoryStore, redeliveries_max: u32) -> Engine {
    let now = store.clone();
    let clock = Clock::custom(move || now.now().now_or_never().expect("no wait").expect("no fault"));
    let config =
        Config { limits: Limits { turn_events_max: 9, ..Limits::default() }, redeliveries_max, ..Config::default() };
    let engine = Engine::new(Arc::new(store.clone()), clock, config, Arc::new(NoHooks));
    engine.bind("bound", machine::BOUND.map(|name| (name.to_owned(), Binding::Worker)));
    engine
}

async fn start(engine: &Engine, machine: &str) -> Started {
    let machine = machine::named(machine);
    let request = StartRequest {
        id: None,
        state_machine_arn: arn(machine),
        name: None,
        input: machine.input.to_string(),
        input_value: machine.input.clone(),
        trace_header: None,
        trigger: "api".to_owned(),
        exclusive: false,
    };
    engine.start(request).await.expect("it starts")
}

async fn taken(engine: &Engine, queue: &str) -> Option<TakenTask> {
    engine.take(queue, Some("worker"), SHORT).await.expect("the store is there")
}

async fn succeed(engine: &Engine, task: &TakenTask) -> Result<(), ReportError> {
    engine.succeed(task.token.as_str(), json!({"value": 1})).await
}

async fn record(store: &MemoryStore, started: &Started) -> ExecutionRecord {
    store.execution_by_id(started.id).await.expect("no fault").expect("it was started")
}

async fn count(store: &MemoryStore, started: &Started, what: fn(&EventKind) -> bool) -> usize {
    let loaded = store.load(started.id).await.expect("no fault").expect("it was started");
    loaded.events.iter().filter(|event| what(&event.kind)).count()
}

/// Lets a poll that was just begun look for its task and wait.
async fn in_the_room() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn task_handed_to_a_poll_that_is_dropped_goes_to_the_next() {
    in_virtual_time(async {
        let engine = engine(&store().await);
        let mut poll = Box::pin(engine.take(ACTIVITY, Some("gone"), LONG));
        assert!(poll.as_mut().now_or_never().is_none());
        start(&engine, "activity").await;
        // The task has been sent; the poll is dropped before it looks.
        drop(poll);
        assert!(taken(&engine, ACTIVITY).await.is_some());
    });
}

#[test]
fn task_started_for_a_poll_that_is_dropped_goes_to_the_next() {
    in_virtual_time(async {
        let engine = engine(&store().await);
        start(&engine, "activity").await;
        let mut poll = Box::pin(engine.take(ACTIVITY, Some("gone"), LONG));
        assert!(poll.as_mut().now_or_never().is_none(), "the poll has claimed the task, and its start is on its way");
        drop(poll);
        assert!(taken(&engine, ACTIVITY).await.is_some());
    });
}

#[test]
fn waiting_poll_gets_its_task_though_the_answer_of_the_commit_was_lost() {
    for point in [FailPoint::Before, FailPoint::After] {
        in_virtual_time(async {
            let store = store().await;
            let engine = engine(&store);
            let poller = engine.clone();
            let poll = tokio::spawn(async move { poller.take(ACTIVITY, None, LONG).await });
            tokio::task::yield_now().await;
            store.fail_next_commit(point);
            let started = start(&engine, "activity").await;
            let task = poll.await.expect("no panic").expect("no fault").expect("a task");
            succeed(&engine, &task).await.expect("the task is this poll's");
            assert_eq!(count(&store, &started, |kind| matches!(kind, EventKind::ExecutionStarted { .. })).await, 1);
        });
    }
}

#[test]
fn report_that_ends_the_execution_is_accepted_though_the_answer_of_the_commit_was_lost() {
    for point in [FailPoint::Before, FailPoint::After] {
        in_virtual_time(async {
            let store = store().await;
            let engine = engine(&store);
            let started = start(&engine, "activity").await;
            for _ in 0..2 {
                let task = taken(&engine, ACTIVITY).await.expect("a task");
                store.fail_next_commit(point);
                succeed(&engine, &task).await.expect("the report counts");
                assert!(matches!(succeed(&engine, &task).await, Err(ReportError::TaskTimedOut)));
            }
            assert_eq!(record(&store, &started).await.status, ExecutionStatus::Succeeded, "{point:?}");
            assert_eq!(count(&store, &started, |kind| matches!(kind, EventKind::TaskSucceeded { .. })).await, 2);
        });
    }
}

#[test]
fn report_reaches_a_node_that_remembers_the_execution_as_it_was_long_ago() {
    in_virtual_time(async {
        let store = store().await;
        let (here, there) = (engine(&store), engine(&store));
        start(&here, "activity").await;
        // The other node knows the execution from now on ...
        let task = taken(&there, ACTIVITY).await.expect("the first task");
        // ... and this one goes on with it.
        succeed(&here, &task).await.expect("the task is open");
        let task = taken(&here, ACTIVITY).await.expect("the second task");
        succeed(&there, &task).await.expect("the task is open");
    });
}

#[test]
fn task_of_lost_workers_is_delivered_so_often_and_then_fails() {
    in_virtual_time(async {
        let store = store().await;
        let engine = engine(&store);
        let started = start(&engine, "wide_map").await;
        let lease = engine.config().lease;
        for delivery in 0..3 {
            for _ in 0..4 {
                assert!(taken(&engine, FUNCTION_QUEUE).await.is_some(), "delivery {delivery}");
            }
            assert!(taken(&engine, FUNCTION_QUEUE).await.is_none(), "all tasks are taken");
            tokio::time::sleep(lease).await;
            engine.sweep_leases().await.expect("no fault");
        }
        assert_eq!(record(&store, &started).await.status, ExecutionStatus::Failed);
        assert_eq!(count(&store, &started, |kind| matches!(kind, EventKind::TaskStarted { .. })).await, 4);
    });
}

#[test]
fn execution_that_cannot_go_on_holds_up_nobody_else() {
    in_virtual_time(async {
        let store = store().await;
        let engine = engine_that_redelivers(&store, 0);
        let started = start(&engine, "chain").await;
        // A copy of it, first in every order, whose definition is gone.
        let loaded = store.load(started.id).await.expect("no fault").expect("it was started");
        let mut record = loaded.record;
        (record.id, record.arn, record.revision) = (Uuid::nil(), "broken".to_owned(), Uuid::nil());
        let row = store.tasks(started.id).await.expect("no fault").remove(0);
        let token = TaskToken::new(0, row.task, [0; 16]);
        let task = NewTask {
            task: row.task,
            queue: row.queue,
            state: row.state,
            attempt: row.attempt,
            resource: row.resource,
            input: row.input,
            token: None,
            heartbeat_seconds: None,
            lease_seconds: row.lease_seconds,
            started: Some(TaskStart { worker: None, token }),
        };
        let broken = Commit {
            execution: record.id,
            create: Some(Box::new(NewExecution { record, exclusive: false })),
            events: loaded.events,
            tasks: vec![task],
            ..Commit::default()
        };
        let results = store.commit(vec![broken]).await.expect("no fault");
        assert!(matches!(results[..], [CommitResult::Committed]));
        assert!(taken(&engine, FUNCTION_QUEUE).await.is_some());
        tokio::time::sleep(engine.config().lease).await;
        engine.sweep_leases().await.expect("no fault");
        assert_eq!(count(&store, &started, |kind| matches!(kind, EventKind::TaskFailed { .. })).await, 1);
    });
}

#[test]
fn lost_worker_counts_until_somebody_else_has_its_task() {
    in_virtual_time(async {
        let store = store().await;
        let engine = engine(&store);
        start(&engine, "wide_map").await;
        let (early, late) = (taken(&engine, FUNCTION_QUEUE).await, taken(&engine, FUNCTION_QUEUE).await);
        let (early, late) = (early.expect("a task"), late.expect("a task"));
        tokio::time::sleep(engine.config().lease).await;
        engine.sweep_leases().await.expect("no fault");
        succeed(&engine, &early).await.expect("nobody else has the task yet");
        for _ in 0..3 {
            assert!(taken(&engine, FUNCTION_QUEUE).await.is_some());
        }
        assert!(matches!(succeed(&engine, &late).await, Err(ReportError::TaskTimedOut)));
    });
}

#[test]
fn callback_that_was_sent_waits_however_many_nodes_die() {
    in_virtual_time(async {
        let store = store().await;
        let first = engine(&store);
        let started = start(&first, "callback").await;
        let sent = taken(&first, INTEGRATION_QUEUE).await.expect("a task");
        let row = first.task_of(sent.token.as_str()).await.expect("its row");
        first.submitted(&row, json!({"MessageId": "m"}), json!("m")).await.expect("no fault");
        for _ in 0..10 {
            let node = engine(&store);
            tokio::time::sleep(node.config().lease).await;
            node.sweep_leases().await.expect("no fault");
            assert!(taken(&node, INTEGRATION_QUEUE).await.is_none(), "the call is not made again");
        }
        succeed(&engine(&store), &sent).await.expect("whoever got the message has this token");
        assert_eq!(count(&store, &started, |kind| matches!(kind, EventKind::TaskFailed { .. })).await, 0);
        assert_eq!(count(&store, &started, |kind| matches!(kind, EventKind::TaskSubmitted { .. })).await, 1);
    });
}

#[test]
fn wait_for_what_was_submitted_is_resumed_however_many_nodes_die() {
    in_virtual_time(async {
        let store = store().await;
        let node = engine(&store);
        let started = start(&node, "chain").await;
        let first = taken(&node, FUNCTION_QUEUE).await.expect("a task");
        let row = node.task_of(first.token.as_str()).await.expect("its row");
        node.submitted(&row, json!({"Run": 1}), json!("run 1")).await.expect("no fault");
        for _ in 0..10 {
            tokio::time::sleep(node.config().lease).await;
            node.sweep_leases().await.expect("no fault");
            let resumed = taken(&node, FUNCTION_QUEUE).await.expect("the wait goes to another");
            assert_eq!((resumed.task, resumed.submission), (first.task, Some(json!("run 1"))));
        }
        assert_eq!(count(&store, &started, |kind| matches!(kind, EventKind::TaskFailed { .. })).await, 0);
    });
}

#[test]
fn task_handed_over_and_reported_costs_two_commits_and_no_question() {
    in_virtual_time(async {
        let world = World::new(Plan::calm(1)).await;
        let engine = world.boot().engine;
        let calls = || (world.sky.calls.load(Ordering::Relaxed), world.sky.commits.load(Ordering::Relaxed));
        // What a node asks once in a while: the machine, whether the activity is there, whether tasks wait.
        start(&engine, "activity").await;
        let task = taken(&engine, ACTIVITY).await.expect("a task");
        succeed(&engine, &task).await.expect("the task is open");
        let task = taken(&engine, ACTIVITY).await.expect("the second task");
        succeed(&engine, &task).await.expect("the task is open");
        let poller = engine.clone();
        let poll = tokio::spawn(async move { poller.take(ACTIVITY, None, LONG).await });
        in_the_room().await;
        let (before, commits) = calls();
        start(&engine, "activity").await;
        let task = poll.await.expect("no panic").expect("no fault").expect("a task");
        // Each commit travels there and back.
        assert_eq!(calls(), (before + 2, commits + 1), "start and hand-over");
        let poller = engine.clone();
        let poll = tokio::spawn(async move { poller.take(ACTIVITY, None, LONG).await });
        in_the_room().await;
        let (before, commits) = calls();
        succeed(&engine, &task).await.expect("the task is open");
        let task = poll.await.expect("no panic").expect("no fault").expect("the second task");
        assert_eq!(calls(), (before + 2, commits + 1), "success and hand-over of the next");
        let (before, commits) = calls();
        succeed(&engine, &task).await.expect("the task is open");
        assert_eq!(calls(), (before + 2, commits + 1), "success and end");
    });
}

#[test]
fn token_of_a_callback_stays_in_force_when_its_task_is_redelivered() {
    in_virtual_time(async {
        let store = store().await;
        let engine = engine(&store);
        start(&engine, "callback").await;
        let sent = taken(&engine, INTEGRATION_QUEUE).await.expect("a task");
        tokio::time::sleep(engine.config().lease).await;
        engine.sweep_leases().await.expect("no fault");
        assert!(taken(&engine, INTEGRATION_QUEUE).await.is_some());
        succeed(&engine, &sent).await.expect("whoever got the message has this token");
    });
}
