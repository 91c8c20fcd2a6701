//! The engine on the memory store, in a world where everything goes wrong that can: nodes die before and after commits,
//! answers are lost, commits arrive late, messages come twice, out of order or never, timers out of time. Time is
//! virtual, and a run follows from its seed alone.
//!
//! | variable | |
//! |---|---|
//! | `SIMULATION_SEED=n` | repeats one run, with the list of its steps if it fails |
//! | `SIMULATION_RUNS=n` | how many runs of each kind there are |
//!
//! | file | topic |
//! |---|---|
//! | `storm` | whole runs: who takes part, in what weather |
//! | `world`, `wire` | nodes that die and start anew; their connections to the store |
//! | `actor`, `machine` | who calls the engines; what they run |
//! | `observer`, `messages` | what must hold after every commit, and at the end |
//! | `race` | two nodes at one execution at once |
//! | `case` | one fact each: what once went wrong |

mod actor;
mod case;
mod dice;
mod machine;
mod messages;
mod observer;
mod race;
mod storm;
mod wire;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use orchestrator::store::FailPoint;

use machine::Certain;
use storm::Outcome;
use wire::CrashPoint;

/// Runs of each kind without `SIMULATION_RUNS`: about a minute for both kinds in a debug build on two cores.
const RUNS: u64 = 2_000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not `{text}`")))
}

/// Many seeds, side by side; the first that fails is repeated with its steps.
#[track_caller]
fn survive(kind: &str, run: fn(u64, bool) -> Outcome) {
    if let Some(seed) = number("SIMULATION_SEED") {
        return judge(kind, seed, &run(seed, true));
    }
    let runs = number("SIMULATION_RUNS").unwrap_or(RUNS);
    let (next, commits, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= runs || failed.load(Ordering::Relaxed) != u64::MAX {
                        return;
                    }
                    let outcome = run(seed, false);
                    commits.fetch_add(outcome.commits, Ordering::Relaxed);
                    if outcome.failure.is_some() {
                        failed.fetch_min(seed, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    match failed.into_inner() {
        u64::MAX => eprintln!("{runs} {kind} runs, {} commits", commits.into_inner()),
        seed => judge(kind, seed, &run(seed, true)),
    }
}

#[track_caller]
fn judge(kind: &str, seed: u64, outcome: &Outcome) {
    let Some(failure) = &outcome.failure else { return };
    let steps = &outcome.steps;
    let shown = steps[steps.len().saturating_sub(400)..].join("\n");
    panic!(
        "{kind} run {seed}: {failure}\nsteps ({} in all):\n{shown}\n{failure}\nagain: SIMULATION_SEED={seed}",
        steps.len()
    );
}

#[test]
fn rough_runs_keep_every_history_whole_and_come_to_their_end() {
    survive("rough", storm::rough);
}

#[test]
fn faithful_workers_bring_every_execution_to_its_calm_end() {
    survive("faithful", storm::faithful);
}

#[test]
fn every_crash_point_reaches_the_same_end() {
    let mut runs = 0;
    for machine in machine::all().iter().filter(|machine| machine.certain == Certain::Crashes) {
        let calm = storm::single(machine, None, false);
        assert_eq!(calm.failure, None, "{}", machine.name);
        for commit in 0..calm.commits {
            for point in [FailPoint::Before, FailPoint::After] {
                let crash = CrashPoint { commit, point };
                let stormy = storm::single(machine, Some(crash), false);
                assert_eq!(stormy.failure, None, "{}: {crash:?}", machine.name);
                assert_eq!(stormy.outputs, calm.outputs, "{}: {crash:?}", machine.name);
                if machine.sequential {
                    assert_eq!(stormy.history, calm.history, "{}: {crash:?}", machine.name);
                }
                runs += 1;
            }
        }
    }
    eprintln!("{runs} crash points");
}

#[test]
fn a_seed_repeats_its_run() {
    for seed in 0..20 {
        let (one, other) = (storm::rough(seed, true), storm::rough(seed, true));
        assert!(one.commits > 0);
        assert_eq!((one.commits, one.fingerprint), (other.commits, other.fingerprint), "seed {seed}");
        assert_eq!(one.steps, other.steps, "seed {seed}");
    }
}
