//! Commits: the guard, names, ends, and what a batch may not do to its neighbours.

use std::collections::HashSet;

use asl::{TaskId, TimerId, TimerKind};
use serde_json::json;

use super::super::{Commit, CommitResult, ExecutionStatus, NewTimer, TaskChange, TaskStatus};
use super::*;

fn names(results: &[CommitResult]) -> Vec<&'static str> {
    let name = |result: &CommitResult| match result {
        CommitResult::Committed => "committed",
        CommitResult::Stale => "stale",
        CommitResult::NameTaken(_) => "name taken",
        CommitResult::PartitionBusy(_) => "partition busy",
        CommitResult::MachineGone => "machine gone",
    };
    results.iter().map(name).collect()
}

pub async fn new_execution_is_loaded_with_its_events(store: Shared) {
    with_machine(&store).await;
    let mut expected = record("x", 5);
    expected.trace_header = Some("Root=1".into());
    expected.pipeline = Some("sales".into());
    expected.partition = Some("2024-12-07".into());
    let id = hold(&store, start(expected.clone())).await;
    hold(&store, step(id, 1)).await;
    hold(&store, Commit { events: vec![hidden(3, None), hidden(4, Some(3))], ..step(id, 2) }).await;
    let loaded = store.load(id).await.unwrap().unwrap();
    expected.last_event_id = 4;
    expected.last_public_id = 3;
    assert_eq!(loaded.record, expected);
    assert_eq!(loaded.events, [event(1), event(2), hidden(3, None), hidden(4, Some(3))]);
    assert_eq!(store.execution(&expected.arn).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.execution_by_id(id).await.unwrap(), Some(expected));
    assert!(store.load(Uuid::new_v4()).await.unwrap().is_none());
    assert!(store.execution("arn:none").await.unwrap().is_none());
}

pub async fn stale_commit_changes_nothing_and_spares_its_neighbours(store: Shared) {
    with_machine(&store).await;
    let (a, b) = (hold(&store, start(record("a", 0))).await, hold(&store, start(record("b", 0))).await);
    hold(&store, step(a, 1)).await;
    let stale = Commit {
        tasks: vec![task(2, QUEUE)],
        timers: vec![NewTimer { timer: TimerId { event: 2, kind: TimerKind::Wait }, due_at: at(0) }],
        end: Some(end(ExecutionStatus::Failed, 9)),
        ..step(a, 1)
    };
    let unknown = step(Uuid::new_v4(), 0);
    let results = store.commit(vec![stale, step(b, 1), unknown]).await.unwrap();
    assert_eq!(names(&results), ["stale", "committed", "stale"]);
    let loaded = store.load(a).await.unwrap().unwrap();
    assert_eq!((loaded.record.last_event_id, loaded.record.status), (2, ExecutionStatus::Running));
    assert_eq!(loaded.events, [event(1), event(2)]);
    assert_eq!(store.tasks(a).await.unwrap().len(), 0);
    assert_eq!(store.due_timers(10, Duration::ZERO).await.unwrap().0, []);
    assert_eq!(store.load(b).await.unwrap().unwrap().events.len(), 2);
}

pub async fn two_writers_race_and_one_wins_each_event(store: Shared) {
    const WRITERS: usize = 4;
    const EVENTS: u64 = 25;
    with_machine(&store).await;
    let id = hold(&store, start(record("x", 0))).await;
    let writers = (0..WRITERS).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut won = Vec::new();
            for expected in 1..=EVENTS {
                if matches!(one(&store, step(id, expected)).await, CommitResult::Committed) {
                    won.push(expected);
                }
            }
            won
        })
    });
    let mut won: Vec<u64> = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        won.extend(writer.await.unwrap());
    }
    won.sort_unstable();
    let loaded = store.load(id).await.unwrap().unwrap();
    // A writer goes on to the next event once the one before is there, so each event is won by exactly one.
    assert_eq!(won, (1..=EVENTS).collect::<Vec<_>>());
    assert_eq!(loaded.record.last_event_id, won.len() as u64 + 1);
    assert_eq!(loaded.events, (1..=loaded.record.last_event_id).map(event).collect::<Vec<_>>());
}

pub async fn taken_name_returns_the_execution_that_has_it(store: Shared) {
    with_machine(&store).await;
    let first = record("x", 0);
    hold(&store, start(first.clone())).await;
    let second = Commit { tasks: vec![task(1, QUEUE)], ..start(record("x", 7)) };
    let (result, other) = (one(&store, second.clone()).await, second.execution);
    assert!(matches!(&result, CommitResult::NameTaken(kept) if **kept == first), "{result:?}");
    assert!(store.load(other).await.unwrap().is_none());
    assert_eq!(store.tasks(other).await.unwrap().len(), 0);
    // Whoever lost the answer to a start repeats it and recognises its own id.
    let again = one(&store, start(first.clone())).await;
    assert!(matches!(&again, CommitResult::NameTaken(kept) if kept.id == first.id), "{again:?}");
}

pub async fn one_batch_gives_a_name_once(store: Shared) {
    with_machine(&store).await;
    let (first, second) = (record("x", 0), record("x", 1));
    let results = store.commit(vec![start(first.clone()), start(second), start(record("y", 2))]).await.unwrap();
    assert_eq!(names(&results), ["committed", "name taken", "committed"]);
    assert_eq!(store.execution(&first.arn).await.unwrap().map(|kept| kept.id), Some(first.id));
}

pub async fn two_nodes_start_one_name_once(store: Shared) {
    with_machine(&store).await;
    for round in 0..10 {
        let starts = (0..3).map(|_| {
            let (store, commit) = (store.clone(), start(record(&format!("x{round}"), 0)));
            tokio::spawn(async move { (commit.execution, one(&store, commit).await) })
        });
        let (mut winners, mut told) = (Vec::new(), HashSet::new());
        for started in starts.collect::<Vec<_>>() {
            match started.await.unwrap() {
                (id, CommitResult::Committed) => winners.push(id),
                (_, CommitResult::NameTaken(kept)) => {
                    told.insert(kept.id);
                }
                (_, other) => panic!("{other:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert!(told.iter().all(|id| *id == winners[0]), "round {round}");
    }
}

pub async fn machine_that_is_gone_starts_nothing(store: Shared) {
    let commit = start(record("x", 0));
    assert!(matches!(one(&store, commit.clone()).await, CommitResult::MachineGone));
    assert!(store.load(commit.execution).await.unwrap().is_none());
    with_machine(&store).await;
    hold(&store, commit).await;
    assert!(store.delete_state_machine(MACHINE).await.unwrap());
    assert!(matches!(one(&store, start(record("y", 0))).await, CommitResult::MachineGone));
}

pub async fn end_takes_tasks_and_timers_with_it(store: Shared) {
    with_machine(&store).await;
    let timer = |event| NewTimer { timer: TimerId { event, kind: TimerKind::Wait }, due_at: at(0) };
    let made = |name: &str| Commit { tasks: vec![task(1, QUEUE)], timers: vec![timer(1)], ..start(record(name, 0)) };
    let (a, b) = (hold(&store, made("a")).await, hold(&store, made("b")).await);
    let last = Commit {
        end: Some(End {
            error: Some("Job.Failed".into()),
            cause: Some("no\u{e9}".into()),
            ..end(ExecutionStatus::Failed, 99)
        }),
        tasks: vec![task(2, QUEUE)],
        timers: vec![timer(2)],
        ..step(a, 1)
    };
    hold(&store, last).await;
    let ended = store.execution_by_id(a).await.unwrap().unwrap();
    assert_eq!((ended.status, ended.stopped_at), (ExecutionStatus::Failed, Some(at(99))));
    assert_eq!((ended.error.as_deref(), ended.cause.as_deref()), (Some("Job.Failed"), Some("no\u{e9}")));
    assert_eq!(ended.output, None);
    assert_eq!(store.tasks(a).await.unwrap().len(), 0);
    assert_eq!(store.tasks(b).await.unwrap().len(), 1);
    let due = store.due_timers(10, Duration::from_secs(60)).await.unwrap().0;
    assert_eq!(due.iter().map(|timer| timer.execution).collect::<Vec<_>>(), [b]);
    assert!(matches!(one(&store, step(a, 1)).await, CommitResult::Stale));
}

pub async fn execution_may_start_and_end_in_one_commit(store: Shared) {
    with_machine(&store).await;
    let whole = Commit {
        events: (1..=4).map(event).collect(),
        end: Some(end(ExecutionStatus::Succeeded, 3)),
        tasks: vec![task(2, QUEUE)],
        ..start(record("x", 0))
    };
    let id = hold(&store, whole).await;
    let loaded = store.load(id).await.unwrap().unwrap();
    assert_eq!(loaded.record.status, ExecutionStatus::Succeeded);
    assert_eq!(loaded.record.output.as_deref(), Some(r#"{ "ok": true }"#));
    assert_eq!(loaded.record.stopped_at, Some(at(3)));
    assert_eq!((loaded.record.last_event_id, loaded.record.last_public_id, loaded.events.len()), (4, 4, 4));
    assert_eq!(store.tasks(id).await.unwrap().len(), 0);
}

pub async fn what_one_commit_makes_and_ends_never_existed(store: Shared) {
    with_machine(&store).await;
    let timer = TimerId { event: 1, kind: TimerKind::Retry };
    let commit = Commit {
        tasks: vec![task(1, QUEUE), task(2, QUEUE)],
        task_changes: vec![TaskChange::Gone { task: TaskId(1) }],
        timers: vec![NewTimer { timer, due_at: at(0) }],
        timers_gone: vec![timer],
        ..start(record("x", 0))
    };
    let id = hold(&store, commit).await;
    assert_eq!(store.tasks(id).await.unwrap().iter().map(|task| task.task).collect::<Vec<_>>(), [TaskId(2)]);
    assert_eq!(store.due_timers(10, Duration::ZERO).await.unwrap(), (vec![], None));
    // What is gone already may go again.
    let again = Commit {
        task_changes: vec![TaskChange::Gone { task: TaskId(1) }, TaskChange::Gone { task: TaskId(2) }],
        timers_gone: vec![timer],
        ..step(id, 1)
    };
    hold(&store, again).await;
    assert_eq!(store.tasks(id).await.unwrap().len(), 0);
}

pub async fn start_of_a_task_that_is_not_scheduled_is_stale(store: Shared) {
    with_machine(&store).await;
    let id = waiting(&store, "x", QUEUE).await;
    let other = waiting(&store, "y", QUEUE).await;
    // No events: a redelivered task only changes its row.
    let begin =
        |secret| Commit { execution: id, expected: 1, task_changes: vec![taken(id, 1, secret)], ..Commit::default() };
    hold(&store, begin(1)).await;
    let started = store.task(id, TaskId(1)).await.unwrap().unwrap();
    assert_eq!(started.status, TaskStatus::Started);
    assert_eq!(started.token, Some(token(id, TaskId(1), 1)));
    assert_eq!(started.worker.as_deref(), Some("w"));
    assert!(started.started_at.is_some());
    let second = Commit { events: vec![event(2)], ..begin(2) };
    let missing = Commit { task_changes: vec![taken(other, 9, 1)], ..step(other, 1) };
    let results = store.commit(vec![second, missing]).await.unwrap();
    assert_eq!(names(&results), ["stale", "stale"]);
    assert_eq!(store.task(id, TaskId(1)).await.unwrap().unwrap().token, Some(token(id, TaskId(1), 1)));
    assert_eq!(store.execution_by_id(id).await.unwrap().unwrap().last_event_id, 1);
    assert_eq!(store.load(other).await.unwrap().unwrap().events.len(), 1);
}

pub async fn two_starts_of_one_task_and_one_wins(store: Shared) {
    with_machine(&store).await;
    for round in 0..10 {
        let id = waiting(&store, &format!("x{round}"), QUEUE).await;
        let starts = (1..=3).map(|secret| {
            let store = store.clone();
            let task_changes = vec![taken(id, 1, secret)];
            tokio::spawn(async move {
                let commit = Commit { execution: id, expected: 1, task_changes, ..Commit::default() };
                (secret, one(&store, commit).await)
            })
        });
        let mut winners = Vec::new();
        for started in starts.collect::<Vec<_>>() {
            match started.await.unwrap() {
                (secret, CommitResult::Committed) => winners.push(secret),
                (_, CommitResult::Stale) => {}
                (_, other) => panic!("{other:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let kept = store.task(id, TaskId(1)).await.unwrap().unwrap().token;
        assert_eq!(kept, Some(token(id, TaskId(1), winners[0])));
    }
}

pub async fn report_of_a_task_that_is_somebody_elses_is_stale(store: Shared) {
    with_machine(&store).await;
    let (id, other) = (waiting(&store, "x", QUEUE).await, waiting(&store, "y", QUEUE).await);
    hold(&store, Commit { execution: id, expected: 1, task_changes: vec![taken(id, 1, 1)], ..Commit::default() }).await;
    let report = |secret| Commit {
        held: vec![(TaskId(1), token(id, TaskId(1), secret))],
        task_changes: vec![TaskChange::Gone { task: TaskId(1) }],
        ..step(id, 1)
    };
    // Also where it would end the execution; and its neighbour goes on.
    let end = Some(end(ExecutionStatus::Succeeded, 1));
    let results = store.commit(vec![Commit { end, ..report(2) }, step(other, 1)]).await.unwrap();
    assert_eq!(names(&results), ["stale", "committed"]);
    let unknown = Commit { held: vec![(TaskId(9), token(id, TaskId(9), 1))], ..step(id, 1) };
    assert_eq!(names(&[one(&store, unknown).await]), ["stale"]);
    // Without an event, as a store may judge differently what it cannot take for granted.
    let silent = Commit { events: Vec::new(), ..report(2) };
    assert_eq!(names(&[one(&store, silent).await]), ["stale"]);
    assert_eq!(store.execution_by_id(id).await.unwrap().unwrap().last_event_id, 1);
    hold(&store, report(1)).await;
    assert!(store.task(id, TaskId(1)).await.unwrap().is_none());
    assert_eq!(names(&[one(&store, Commit { expected: 2, events: vec![event(3)], ..report(1) }).await]), ["stale"]);
}

pub async fn empty_batch_is_no_commits(store: Shared) {
    assert!(store.commit(Vec::new()).await.unwrap().is_empty());
}

pub async fn text_from_outside_survives_or_is_made_harmless(store: Shared) {
    with_machine(&store).await;
    let id = waiting(&store, "x", QUEUE).await;
    let change = TaskChange::Start {
        task: TaskId(1),
        start: TaskStart { worker: Some("w\u{0}'; --".into()), token: token(id, TaskId(1), 1) },
    };
    hold(&store, Commit { task_changes: vec![change], ..step(id, 1) }).await;
    let worker = store.task(id, TaskId(1)).await.unwrap().unwrap().worker.unwrap();
    assert!(worker.starts_with('w') && worker.ends_with("'; --"), "{worker:?}");
    let failed = End { error: Some("e\u{0}".into()), cause: Some("c\u{0}".into()), ..end(ExecutionStatus::Failed, 1) };
    hold(&store, Commit { end: Some(failed), ..step(id, 2) }).await;
    let ended = store.execution_by_id(id).await.unwrap().unwrap();
    assert!(ended.error.unwrap().starts_with('e') && ended.cause.unwrap().starts_with('c'));
    assert!(store.execution("arn\u{0}").await.unwrap().is_none());
}

pub async fn big_batch_is_one_commit(store: Shared) {
    with_machine(&store).await;
    let batch: Vec<_> =
        (0..300).map(|n| Commit { tasks: vec![task(1, QUEUE)], ..start(record(&format!("x{n}"), n)) }).collect();
    let ids: Vec<_> = batch.iter().map(|commit| commit.execution).collect();
    let results = store.commit(batch).await.unwrap();
    assert!(results.iter().all(|result| matches!(result, CommitResult::Committed)));
    let next: Vec<_> = ids
        .iter()
        .map(|id| Commit {
            task_changes: vec![
                taken(*id, 1, 1),
                TaskChange::Submitted { task: TaskId(1), submission: json!({ "run": 1 }), is_awaited: false },
            ],
            ..step(*id, 1)
        })
        .collect();
    let results = store.commit(next).await.unwrap();
    assert!(results.iter().all(|result| matches!(result, CommitResult::Committed)));
    let task = store.task(ids[299], TaskId(1)).await.unwrap().unwrap();
    assert_eq!((task.status, task.submission), (TaskStatus::Started, Some(json!({ "run": 1 }))));
    assert_eq!(store.backlog().await.unwrap(), []);
}
