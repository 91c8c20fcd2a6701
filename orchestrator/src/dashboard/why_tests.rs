//! What the why box says of each kind of execution.

use super::*;
use crate::dashboard::sample;

fn box_of(facts: &Facts) -> Option<Why> {
    why(facts, &Visits::read(&facts.history))
}

fn open(facts: &Facts) -> Waits {
    match box_of(facts) {
        Some(Why::Open(waits)) if waits.len() == 1 => waits.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failure_names_state_code_attempts_log_and_help() {
    let Some(Why::Failed(why)) = box_of(&sample::failed()) else { panic!("no box") };
    assert_eq!(why.state.as_deref(), Some("Transform"));
    assert_eq!((why.code.as_str(), why.attempts), ("DQ_FAILED", 1));
    assert_eq!(why.ended_by.as_deref(), Some("PipelineFailed"));
    assert!(why.message.starts_with("negative price present"), "{}", why.message);
    assert!(why.log.last().unwrap().text.contains("12.44%"));
    assert!(why.figures.iter().any(|(name, value)| name == "quarantined rows" && value.contains("/quarantine/")));
    let memory = why.figures.iter().filter(|(name, _)| name.contains("memory")).count();
    assert_eq!(memory, 1, "peak memory is said once: {:?}", why.figures);
    assert_eq!(why.remedy.unwrap().code, "DQ_FAILED");
}

#[test]
fn an_open_execution_says_what_it_waits_for() {
    for (facts, mark, text, stuck) in [
        (sample::running(), Mark::Running, "runs on w-2", false),
        (sample::stuck(), Mark::Waiting, "no worker serves daily-prices-transform", true),
        (sample::retrying(), Mark::Waiting, "attempt 1 failed with STORAGE_ERROR; attempt 2 starts in 29 s", false),
    ] {
        let waits = open(&facts);
        assert!(waits.text.contains(text), "{waits:?}");
        assert_eq!((waits.mark, waits.stuck), (mark, stuck), "{waits:?}");
        assert_eq!(waits.place.as_deref(), Some("2025-09-05"));
    }
    let mut facts = sample::stuck();
    facts.workers = sample::running().workers;
    let queue = facts.tasks[0].queue.clone();
    facts.backlog = vec![(queue, 5, facts.tasks[0].scheduled_at.plus_seconds(-20))];
    assert!(open(&facts).text.contains("behind 4 others"));
}

#[test]
fn a_succeeded_execution_needs_no_box() {
    assert!(box_of(&sample::succeeded()).is_none());
}
