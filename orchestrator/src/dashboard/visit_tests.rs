//! What histories say about states.

use super::*;
use crate::dashboard::sample;

fn visits(facts: &crate::dashboard::facts::Facts) -> Visits {
    Visits::read(&facts.history)
}

#[test]
fn marks_of_states_follow_the_history() {
    for (facts, expected) in [
        (
            sample::running(),
            vec![
                ("Normalize", Some(Mark::Succeeded)),
                ("Days", Some(Mark::Running)),
                ("Compaction", Some(Mark::Succeeded)),
                ("Transform", Some(Mark::Running)),
                ("Indicators", None),
            ],
        ),
        (sample::stuck(), vec![("Transform", Some(Mark::Waiting))]),
        (sample::retrying(), vec![("Compaction", Some(Mark::Waiting)), ("Guard", None)]),
        (
            sample::failed(),
            vec![
                ("Guard", Some(Mark::Succeeded)),
                ("Transform", Some(Mark::Failed)),
                ("Days", Some(Mark::Failed)),
                ("Notify", Some(Mark::Succeeded)),
                ("PipelineFailed", Some(Mark::Failed)),
            ],
        ),
        (
            sample::succeeded(),
            vec![("Days", Some(Mark::Succeeded)), ("Done", Some(Mark::Succeeded)), ("Skipped", None)],
        ),
    ] {
        let visits = visits(&facts);
        for (state, mark) in expected {
            assert_eq!(visits.mark_of(state), mark, "{state} of {}", facts.record.name);
        }
    }
}

#[test]
fn visits_are_nested_in_their_map() {
    let visits = visits(&sample::succeeded());
    let map = visits.last_of("Days").unwrap();
    let children: Vec<&str> = visits.children(map).map(|(_, visit)| visit.state.as_str()).collect();
    assert_eq!(
        children,
        ["Preflight", "Proceed?", "Compaction", "Guard", "Anything?", "Transform", "Indicators", "DayDone"]
    );
    assert!(visits.children(map).all(|(_, visit)| visit.iteration == Some(0)));
    let after = &visits.list[visits.last_of("Changed?").unwrap()];
    assert_eq!((after.parent, after.from), (None, Some(map)));
}

#[test]
fn attempts_hold_worker_times_and_errors() {
    let visits = visits(&sample::failed());
    let compaction = &visits.list[visits.last_of("Compaction").unwrap()];
    let marks: Vec<Mark> = compaction.attempts.iter().map(|attempt| attempt.mark).collect();
    assert_eq!(marks, [Mark::Failed, Mark::Succeeded]);
    assert_eq!(compaction.attempts[0].worker.as_deref(), Some("w-2"));
    assert_eq!(compaction.attempts[0].error.as_deref(), Some("Glue.JobFailed"));
    assert_eq!(compaction.mark, Mark::Succeeded, "a retried failure does not colour the state");
    assert!(!compaction.caught);
    assert!(visits.list[visits.last_of("Days").unwrap()].caught);
}

#[test]
fn stopping_aborts_what_is_open() {
    let mut facts = sample::running();
    let last = facts.history.last().unwrap().clone();
    facts.history.push(HistoryEvent {
        id: last.id + 1,
        previous: 0,
        kind: "ExecutionAborted".to_owned(),
        task: None,
        worker: None,
        ..last
    });
    let visits = visits(&facts);
    assert_eq!(visits.mark_of("Transform"), Some(Mark::Aborted));
    assert_eq!(visits.mark_of("Days"), Some(Mark::Aborted));
    assert_eq!(visits.mark_of("Compaction"), Some(Mark::Succeeded));
    assert_eq!(visits.open_leaves().count(), 0);
}

#[test]
fn a_failing_branch_aborts_its_siblings() {
    use serde_json::json;
    let wire = |id: u64, previous: u64, kind: &str, name: Option<&str>| HistoryEvent {
        id,
        previous,
        at: Timestamp::from_millis(id as i64 * 1000),
        kind: kind.to_owned(),
        details: name.map_or(serde_json::Value::Null, |name| json!({ "name": name, "error": "E", "cause": "c" })),
        task: None,
        worker: None,
    };
    let visits = Visits::read(&[
        wire(1, 0, "ExecutionStarted", None),
        wire(2, 0, "ParallelStateEntered", Some("P")),
        wire(3, 2, "ParallelStateStarted", None),
        wire(4, 3, "TaskStateEntered", Some("A")),
        wire(5, 3, "TaskStateEntered", Some("B")),
        wire(6, 4, "TaskScheduled", None),
        wire(7, 5, "TaskScheduled", None),
        wire(8, 6, "TaskStarted", None),
        wire(9, 8, "TaskFailed", Some("x")),
        wire(10, 9, "TaskStateAborted", None),
        wire(11, 9, "ParallelStateFailed", None),
        wire(12, 11, "ExecutionFailed", Some("x")),
    ]);
    for (state, mark) in [("A", Mark::Failed), ("B", Mark::Aborted), ("P", Mark::Failed)] {
        assert_eq!(visits.mark_of(state), Some(mark), "{state}");
    }
}
