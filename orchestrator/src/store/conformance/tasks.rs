//! Tasks, leases, reservations and timers.

use std::collections::HashSet;

use asl::{TaskId, TimerId, TimerKind};
use serde_json::json;

use super::super::{Commit, ExecutionStatus, NewTimer, TaskChange, TaskRecord, TaskStatus};
use super::*;

const LONG: Duration = Duration::from_secs(600);

fn queues(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn executions(tasks: &[TaskRecord]) -> Vec<ExecutionId> {
    tasks.iter().map(|task| task.execution).collect()
}

pub async fn claims_are_oldest_first_and_of_the_asked_queues(store: Shared) {
    with_machine(&store).await;
    let mut made = Vec::new();
    for (name, queue) in [("a", "q1"), ("b", "q2"), ("c", "q1"), ("d", "q3")] {
        made.push(waiting(&store, name, queue).await);
        // Each in a millisecond of its own.
        let before = store.now().await.unwrap();
        eventually("the next millisecond", async || (store.now().await.unwrap() > before).then_some(())).await;
    }
    let first = store.claim(&queues(&["q1", "q2", "q1"]), 2, LONG).await.unwrap();
    assert_eq!(executions(&first), made[..2]);
    let rest = store.claim(&queues(&["q1", "q2"]), 10, LONG).await.unwrap();
    assert_eq!(executions(&rest), [made[2]]);
    assert!(store.claim(&queues(&["q0"]), 10, LONG).await.unwrap().is_empty());
    assert!(store.claim(&[], 10, LONG).await.unwrap().is_empty());
    assert_eq!(first[0].status, TaskStatus::Scheduled);
    assert_eq!(first[0].input, r#"{ "ds": "2024-12-07" }"#);
    assert_eq!(first[0].resource, Resource::Activity("q1".into()));
}

pub async fn claim_never_hands_a_task_out_twice(store: Shared) {
    with_machine(&store).await;
    let batch = (0..60).map(|n| Commit { tasks: vec![task(1, QUEUE)], ..start(record(&format!("x{n}"), n)) });
    store.commit(batch.collect()).await.unwrap();
    let claimers = (0..4).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut got = Vec::new();
            for _ in 0..60 {
                let claimed = store.claim(&queues(&[QUEUE]), 3, LONG).await.unwrap();
                got.extend(executions(&claimed));
            }
            got
        })
    });
    let mut got = Vec::new();
    for claimer in claimers.collect::<Vec<_>>() {
        got.extend(claimer.await.unwrap());
    }
    assert_eq!(got.len(), 60);
    assert_eq!(got.into_iter().collect::<HashSet<_>>().len(), 60);
}

pub async fn reservation_ends_by_time_or_by_hand(store: Shared) {
    with_machine(&store).await;
    let id = waiting(&store, "x", QUEUE).await;
    let queue = queues(&[QUEUE]);
    assert_eq!(store.claim(&queue, 1, LONG).await.unwrap().len(), 1);
    assert_eq!(store.claim(&queue, 1, LONG).await.unwrap().len(), 0);
    store.unclaim(&[(id, TaskId(1)), (id, TaskId(9))]).await.unwrap();
    assert_eq!(store.claim(&queue, 1, Duration::from_millis(30)).await.unwrap().len(), 1);
    let again = eventually("the end of the reservation", async || store.claim(&queue, 1, LONG).await.unwrap().pop());
    assert_eq!(again.await.execution, id);
    // A reservation is no start: the task still counts as waiting.
    assert_eq!(store.backlog().await.unwrap()[0].1, 1);
    hold(&store, Commit { task_changes: vec![taken(id, 1, 1)], ..step(id, 1) }).await;
    store.unclaim(&[(id, TaskId(1))]).await.unwrap();
    assert_eq!(store.claim(&queue, 1, LONG).await.unwrap().len(), 0);
}

pub async fn task_may_be_handed_over_within_its_commit(store: Shared) {
    with_machine(&store).await;
    let new = record("x", 0);
    let start_of = TaskStart { worker: None, token: token(new.id, TaskId(1), 7) };
    let handed = NewTask { started: Some(start_of), lease_seconds: Some(600), ..task(1, QUEUE) };
    let id = hold(&store, Commit { tasks: vec![handed], ..start(new) }).await;
    let kept = store.task(id, TaskId(1)).await.unwrap().unwrap();
    assert_eq!((kept.status, kept.token), (TaskStatus::Started, Some(token(id, TaskId(1), 7))));
    let (started_at, lease) = (kept.started_at.unwrap(), kept.lease_expires_at.unwrap());
    assert_eq!(lease.millis() - started_at.millis(), 600_000);
    assert_eq!(store.claim(&queues(&[QUEUE]), 1, LONG).await.unwrap().len(), 0);
    assert!(store.task(id, TaskId(2)).await.unwrap().is_none());
}

pub async fn submission_is_kept_with_the_task(store: Shared) {
    with_machine(&store).await;
    let id = waiting(&store, "x", QUEUE).await;
    let submission = json!({ "JobRunId": "jr_1", "z": [1, 2] });
    let submitted = TaskChange::Submitted { task: TaskId(1), submission: submission.clone(), is_awaited: false };
    hold(&store, Commit { task_changes: vec![taken(id, 1, 1), submitted], ..step(id, 1) }).await;
    let kept = store.task(id, TaskId(1)).await.unwrap().unwrap();
    assert_eq!((kept.status, kept.submission), (TaskStatus::Started, Some(submission)));
    // For a task that is over it is too late.
    let late = TaskChange::Submitted { task: TaskId(9), submission: json!(1), is_awaited: true };
    hold(&store, Commit { task_changes: vec![late], ..step(id, 2) }).await;
    assert!(store.task(id, TaskId(9)).await.unwrap().is_none());
}

pub async fn heartbeat_is_for_the_holder_of_the_token(store: Shared) {
    with_machine(&store).await;
    let timer = TimerId { event: 1, kind: TimerKind::Heartbeat };
    let beating = NewTask { heartbeat_seconds: Some(500), lease_seconds: Some(600), ..task(1, QUEUE) };
    let new = start(record("x", 0));
    let id = hold(&store, Commit { tasks: vec![beating, task(2, QUEUE)], ..new }).await;
    let mine = token(id, TaskId(1), 1);
    assert!(!store.heartbeat(id, TaskId(1), &mine).await.unwrap(), "not started");
    let timers = vec![NewTimer { timer, due_at: at(0) }];
    hold(&store, Commit { task_changes: vec![taken(id, 1, 1), taken(id, 2, 2)], timers, ..step(id, 1) }).await;
    assert!(!store.heartbeat(id, TaskId(1), &token(id, TaskId(1), 9)).await.unwrap(), "another token");
    assert_eq!(store.due_timers(1, Duration::ZERO).await.unwrap().0.len(), 1);
    let now = store.now().await.unwrap();
    assert!(store.heartbeat(id, TaskId(1), &mine).await.unwrap());
    assert!(store.heartbeat(id, TaskId(2), &token(id, TaskId(2), 2)).await.unwrap(), "without timer or lease");
    let (due, next) = store.due_timers(1, Duration::ZERO).await.unwrap();
    assert_eq!(due, []);
    assert!(next.unwrap() >= now.plus_seconds(500));
    let kept = store.task(id, TaskId(1)).await.unwrap().unwrap();
    assert!(kept.lease_expires_at.unwrap() >= now.plus_seconds(600));
    hold(&store, Commit { task_changes: vec![TaskChange::Gone { task: TaskId(1) }], ..step(id, 2) }).await;
    assert!(!store.heartbeat(id, TaskId(1), &mine).await.unwrap(), "over");
}

pub async fn expired_lease_is_handed_out_again_a_bounded_number_of_times(store: Shared) {
    with_machine(&store).await;
    let leased = NewTask { lease_seconds: Some(0), ..task(1, QUEUE) };
    let endless = NewTask { lease_seconds: None, ..task(2, QUEUE) };
    let id = hold(&store, Commit { tasks: vec![leased, endless], ..start(record("x", 0)) }).await;
    hold(&store, Commit { task_changes: vec![taken(id, 1, 1), taken(id, 2, 1)], ..step(id, 1) }).await;
    let back = store.expired_leases(10, 2).await.unwrap();
    assert_eq!(back.len(), 1);
    assert_eq!((back[0].task, back[0].status, back[0].redeliveries), (TaskId(1), TaskStatus::Scheduled, 1));
    assert_eq!((back[0].started_at, back[0].lease_expires_at, &back[0].worker), (None, None, &None));
    assert!(store.expired_leases(10, 2).await.unwrap().is_empty());
    assert_eq!(store.claim(&queues(&[QUEUE]), 5, LONG).await.unwrap().len(), 1);
    hold(&store, Commit { task_changes: vec![taken(id, 1, 2)], events: vec![], ..step(id, 2) }).await;
    let given_up = store.expired_leases(10, 2).await.unwrap();
    assert_eq!(given_up.len(), 1);
    assert_eq!((given_up[0].status, given_up[0].redeliveries), (TaskStatus::Started, 1));
    let kept = store.task(id, TaskId(1)).await.unwrap().unwrap();
    assert_eq!((kept.status, kept.token), (TaskStatus::Started, Some(token(id, TaskId(1), 2))));
}

pub async fn wait_for_what_was_submitted_is_handed_out_again_any_number_of_times(store: Shared) {
    with_machine(&store).await;
    let leased = NewTask { lease_seconds: Some(0), ..task(1, QUEUE) };
    let id = hold(&store, Commit { tasks: vec![leased], ..start(record("x", 0)) }).await;
    let submitted = TaskChange::Submitted { task: TaskId(1), submission: json!("run"), is_awaited: false };
    hold(&store, Commit { task_changes: vec![taken(id, 1, 1), submitted], ..step(id, 1) }).await;
    for _ in 0..5 {
        let back = store.expired_leases(10, 2).await.unwrap();
        assert_eq!(
            back.iter().map(|row| (row.status, row.redeliveries)).collect::<Vec<_>>(),
            [(TaskStatus::Scheduled, 0)]
        );
        assert_eq!(back[0].submission, Some(json!("run")));
        hold(&store, Commit { task_changes: vec![taken(id, 1, 1)], events: vec![], ..step(id, 2) }).await;
    }
}

pub async fn callback_is_nobodys_to_hold_once_it_was_submitted(store: Shared) {
    with_machine(&store).await;
    let leased = NewTask { lease_seconds: Some(0), ..task(1, QUEUE) };
    let id = hold(&store, Commit { tasks: vec![leased], ..start(record("x", 0)) }).await;
    let submitted = TaskChange::Submitted { task: TaskId(1), submission: json!("sent"), is_awaited: true };
    hold(&store, Commit { task_changes: vec![taken(id, 1, 1), submitted], ..step(id, 1) }).await;
    assert!(store.expired_leases(10, 2).await.unwrap().is_empty());
    let row = store.task(id, TaskId(1)).await.unwrap().unwrap();
    assert_eq!((row.status, row.lease_seconds, row.lease_expires_at), (TaskStatus::Started, None, None));
    assert!(store.heartbeat(id, TaskId(1), &token(id, TaskId(1), 1)).await.unwrap(), "whoever has the token is alive");
    assert!(store.expired_leases(10, 2).await.unwrap().is_empty());
}

pub async fn released_task_is_visible_again(store: Shared) {
    with_machine(&store).await;
    let id = waiting(&store, "x", QUEUE).await;
    hold(&store, Commit { task_changes: vec![taken(id, 1, 1)], ..step(id, 1) }).await;
    store.release(id, TaskId(1), &token(id, TaskId(1), 9)).await.unwrap();
    assert_eq!(store.task(id, TaskId(1)).await.unwrap().unwrap().status, TaskStatus::Started);
    store.release(id, TaskId(1), &token(id, TaskId(1), 1)).await.unwrap();
    let claimed = store.claim(&queues(&[QUEUE]), 1, LONG).await.unwrap();
    assert_eq!((claimed[0].status, claimed[0].started_at, &claimed[0].worker), (TaskStatus::Scheduled, None, &None));
    store.release(id, TaskId(9), &token(id, TaskId(1), 1)).await.unwrap();
}

pub async fn timers_come_in_order_and_are_reserved(store: Shared) {
    with_machine(&store).await;
    let now = store.now().await.unwrap();
    let kinds = [
        (TimerKind::Wait, now.plus_millis(-10)),
        (TimerKind::Retry, now.plus_millis(-30)),
        (TimerKind::TaskTimeout, now.plus_millis(-20)),
        (TimerKind::ExecutionTimeout, now.plus_seconds(900)),
    ];
    let timers = kinds.map(|(kind, due_at)| NewTimer { timer: TimerId { event: 1, kind }, due_at });
    let id = hold(&store, Commit { timers: timers.to_vec(), ..start(record("x", 0)) }).await;
    let (due, _) = store.due_timers(2, LONG).await.unwrap();
    let kinds: Vec<_> = due.iter().map(|timer| (timer.timer.kind, timer.execution)).collect();
    assert_eq!(kinds, [(TimerKind::Retry, id), (TimerKind::TaskTimeout, id)]);
    assert_eq!(due[0].due_at, now.plus_millis(-30));
    let (due, next) = store.due_timers(9, Duration::from_millis(30)).await.unwrap();
    assert_eq!(due.iter().map(|timer| timer.timer.kind).collect::<Vec<_>>(), [TimerKind::Wait]);
    // The next look: when the shortest reservation ends.
    assert!(next.unwrap() < now.plus_seconds(60));
    let again = eventually("the end of the reservation", async || store.due_timers(9, LONG).await.unwrap().0.pop());
    assert_eq!(again.await.due_at, now.plus_millis(-10));
}

pub async fn timer_is_replaced_and_removed(store: Shared) {
    with_machine(&store).await;
    let now = store.now().await.unwrap();
    let timer = TimerId { event: 1, kind: TimerKind::Heartbeat };
    let set = |due_at| vec![NewTimer { timer, due_at }];
    let id = hold(&store, Commit { timers: set(now), ..start(record("x", 0)) }).await;
    hold(&store, Commit { timers: set(now.plus_seconds(50)), ..step(id, 1) }).await;
    assert_eq!(store.due_timers(9, LONG).await.unwrap(), (vec![], Some(now.plus_seconds(50))));
    hold(&store, Commit { timers_gone: vec![timer], ..step(id, 2) }).await;
    assert_eq!(store.due_timers(9, LONG).await.unwrap(), (vec![], None));
    // A wait of centuries is a timer like any other.
    hold(&store, Commit { timers: set(now.plus_seconds(10_i64.pow(15))), ..step(id, 3) }).await;
    assert_eq!(store.due_timers(9, LONG).await.unwrap().0, []);
}

pub async fn backlog_counts_what_waits(store: Shared) {
    with_machine(&store).await;
    let before = store.now().await.unwrap();
    waiting(&store, "a", "q1").await;
    waiting(&store, "b", "q2").await;
    let id = waiting(&store, "c", "q2").await;
    let counts = store.backlog().await.unwrap();
    assert_eq!(counts.iter().map(|(queue, n, _)| (queue.as_str(), *n)).collect::<Vec<_>>(), [("q1", 1), ("q2", 2)]);
    assert!(counts.iter().all(|(_, _, oldest)| *oldest >= before));
    hold(&store, Commit { task_changes: vec![taken(id, 1, 1)], ..step(id, 1) }).await;
    assert_eq!(store.backlog().await.unwrap()[1].1, 1);
}

pub async fn stalled_executions_wait_for_nothing(store: Shared) {
    with_machine(&store).await;
    let due_at = store.now().await.unwrap().plus_seconds(900);
    let timer = NewTimer { timer: TimerId { event: 1, kind: TimerKind::Wait }, due_at };
    hold(&store, Commit { timers: vec![timer], ..start(record("timer", 0)) }).await;
    waiting(&store, "task", QUEUE).await;
    hold(&store, Commit { end: Some(end(ExecutionStatus::Succeeded, 1)), ..start(record("ended", 0)) }).await;
    let id = hold(&store, start(record("stalled", 0))).await;
    let found = eventually("stalling", async || store.stalled(Duration::ZERO, 10).await.unwrap().first().copied());
    assert_eq!(found.await, id);
    assert_eq!(store.stalled(Duration::ZERO, 10).await.unwrap(), [id]);
    assert!(store.stalled(LONG, 10).await.unwrap().is_empty());
}
