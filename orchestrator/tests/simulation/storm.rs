//! Whole runs: a plan made from a seed, the actors it needs, and what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use orchestrator::store::INTEGRATION_QUEUE;
use serde_json::Value;

use crate::actor::{self, Manner};
use crate::dice::Dice;
use crate::machine::{self, Certain, Machine};
use crate::wire::{CrashPoint, Weather};
use crate::world::{Plan, World};

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The first thing that was wrong.
    pub failure: Option<String>,
    /// What happened, if the run was traced.
    pub steps: Vec<String>,
    pub commits: u64,
    pub fingerprint: u64,
    /// By execution: its machine and its output.
    pub outputs: Vec<(String, Option<Value>)>,
    /// Of the only execution, if there was one.
    pub history: Vec<String>,
}

/// Anything goes: two nodes or one, crashes, faults, workers that cannot be relied on, timers out of time, stops.
pub fn rough(seed: u64, traced: bool) -> Outcome {
    let mut dice = Dice::new(seed, "rough");
    let often = |dice: &mut Dice, most: f64| most * dice.below(5) as f64 / 4.0;
    let weather = Weather {
        slow: often(&mut dice, 0.6),
        slow_millis_max: dice.pick(&[2, 20, 200]),
        fault: often(&mut dice, 0.08),
        lost: often(&mut dice, 0.1),
        unheard: often(&mut dice, 0.1),
        late: often(&mut dice, 0.08),
        crash: often(&mut dice, 0.06),
        hang_up: often(&mut dice, 0.2),
    };
    let plan = Plan {
        nodes: 1 + usize::from(dice.chance(0.6)),
        weather,
        down_millis_max: dice.pick(&[10, 3_000, 15_000]),
        skew_millis_max: dice.pick(&[0, 400]),
        traced,
        ..Plan::calm(seed)
    };
    // Activities without a timeout wait for ever for workers that never answer.
    let machines: Vec<&Machine> = machine::all().iter().filter(|machine| machine.certain != Certain::Faults).collect();
    let chosen: Vec<&Machine> = (0..=dice.below(3)).map(|_| dice.pick(&machines)).collect();
    run(plan, &chosen, Manner::Rough, Duration::from_secs(60))
}

/// The store and the network fail, and nodes crash where the machines can stand it; but workers do their work and
/// report until they are heard. Then the outcome is certain.
pub fn faithful(seed: u64, traced: bool) -> Outcome {
    let mut dice = Dice::new(seed, "faithful");
    let crashes = dice.chance(0.5);
    let weather = Weather {
        slow: 0.4,
        slow_millis_max: dice.pick(&[2, 20, 100]),
        fault: dice.pick(&[0.0, 0.05]),
        lost: dice.pick(&[0.0, 0.1]),
        unheard: dice.pick(&[0.0, 0.1, 0.2]),
        late: dice.pick(&[0.0, 0.1]),
        crash: if crashes { 0.05 } else { 0.0 },
        hang_up: dice.pick(&[0.0, 0.1, 0.3]),
    };
    let machines: Vec<&Machine> = machine::all()
        .iter()
        .filter(|machine| match machine.certain {
            Certain::Crashes => true,
            Certain::Faults => !crashes,
            Certain::Nothing => false,
        })
        .collect();
    let plan = Plan {
        nodes: 1 + usize::from(dice.chance(0.6)),
        weather,
        // However many workers are lost: one of them brings it to its end.
        redeliveries_max: 1_000,
        traced,
        ..Plan::calm(seed)
    };
    let chosen: Vec<&Machine> = (0..=dice.below(2)).map(|_| dice.pick(&machines)).collect();
    let mut outcome = run(plan, &chosen, Manner::Faithful, Duration::from_secs(90));
    for (machine, output) in &outcome.outputs {
        let expected = expected_output(machine);
        if outcome.failure.is_none() && *output != expected {
            outcome.failure = Some(format!("`{machine}` gave {output:?}, in calm weather {expected:?}"));
        }
    }
    outcome
}

/// One execution on one node; at most one crash.
pub fn single(machine: &'static Machine, crash_point: Option<CrashPoint>, traced: bool) -> Outcome {
    let plan = Plan { crash_point, traced, redeliveries_max: 1_000, ..Plan::calm(1) };
    run(plan, &[machine], Manner::Faithful, Duration::from_secs(120))
}

fn expected_output(machine: &str) -> Option<Value> {
    static CALM: std::sync::OnceLock<BTreeMap<&str, Option<Value>>> = std::sync::OnceLock::new();
    let calm = CALM.get_or_init(|| {
        let certain = machine::all().iter().filter(|machine| machine.certain != Certain::Nothing);
        let calm = certain.map(|machine| {
            let outcome = single(machine, None, false);
            assert_eq!(outcome.failure, None, "`{}` in calm weather", machine.name);
            (machine.name, outcome.outputs[0].1.clone())
        });
        calm.collect()
    });
    calm[machine].clone()
}

/// Runs `story` where time passes only while everybody waits.
pub fn in_virtual_time<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O needs nothing of the system").block_on(story)
}

fn run(plan: Plan, machines: &[&'static Machine], manner: Manner, storm: Duration) -> Outcome {
    in_virtual_time(async {
        let world = World::new(plan).await;
        hire(&world, machines, manner);
        for (index, machine) in machines.iter().enumerate() {
            let dice = |who: &str| Dice::new(world.plan.seed, &format!("{who} {index}"));
            let name = format!("execution-{index}");
            world.must_finish(actor::start(world.clone(), machine, name.clone(), dice("starter")));
            if manner == Manner::Rough {
                if dice("rival?").chance(0.3) {
                    world.must_finish(actor::start(world.clone(), machine, name, dice("rival")));
                }
                if dice("stopper?").chance(0.3) {
                    world.must_finish(actor::stop(world.clone(), dice("stopper")));
                }
            }
        }
        if manner == Manner::Rough {
            tokio::spawn(actor::meddle(world.clone(), Dice::new(world.plan.seed, "meddler")));
        }
        if world.plan.crash_point.is_none() {
            world.storm(storm).await;
        }
        world.finish().await;
        outcome(&world)
    })
}

/// The workers that these machines need.
fn hire(world: &Arc<World>, machines: &[&Machine], manner: Manner) {
    for (sign, queue) in [
        ("function:work", machine::FUNCTION_QUEUE),
        ("activity:act", machine::ACTIVITY),
        ("glue:", machine::JOB_QUEUE),
        ("sqs:", INTEGRATION_QUEUE),
    ] {
        if machines.iter().any(|machine| machine.text.contains(sign)) {
            for number in 0..3 {
                tokio::spawn(actor::work(world.clone(), queue, format!("{sign}{number}"), manner));
            }
        }
    }
}

fn outcome(world: &World) -> Outcome {
    let executions = world.outputs();
    let history = match executions.keys().collect::<Vec<_>>()[..] {
        [id] => world.history(*id),
        _ => Vec::new(),
    };
    let plain = |text: String| serde_json::from_str(&text).ok().map(plain);
    Outcome {
        failure: world.observer.failure(),
        steps: world.observer.steps(),
        commits: world.sky.commits.load(Ordering::Relaxed),
        fingerprint: world.observer.fingerprint(),
        outputs: executions.into_values().map(|(name, output)| (name, output.and_then(plain))).collect(),
        history,
    }
}

/// Without what differs from run to run: the numbers of messages.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(key, _)| !matches!(key.as_str(), "message" | "Cause"));
            Value::Object(kept.map(|(key, value)| (key, plain(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        other => other,
    }
}
