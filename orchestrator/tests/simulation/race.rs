//! Two nodes, one store, one execution: whoever commits first wins, and both agree on it afterwards.

use std::sync::Arc;
use std::time::Duration;

use asl::Failure;
use orchestrator::engine::{Engine, ReportError, StartRequest, TakenTask};
use serde_json::json;

use crate::dice::Dice;
use crate::machine;
use crate::messages::Messages;
use crate::storm::in_virtual_time;
use crate::wire::Weather;
use crate::world::{Plan, World, arn};

/// Every task is reported on at both nodes at once, with different outcomes.
async fn contradict(world: Arc<World>, task: TakenTask, dice: &mut Dice) {
    for place in 0..2 {
        let (world, token) = (world.clone(), task.token.as_str().to_owned());
        let number = world.observer.messages(|messages| messages.number(Some(task.execution)));
        let (succeeds, mut dice) = (dice.chance(0.8), Dice::new(dice.below(u64::MAX), "reporter"));
        tokio::spawn(async move {
            let mark = Messages::mark(number);
            let tell = |engine: Engine| async move {
                match succeeds {
                    true => engine.succeed(&token, json!({"message": mark})).await,
                    false => engine.fail(&token, Failure::new("Own", mark)).await,
                }
            };
            let answer = world.call_at(place, &mut dice, tell).await.expect("nodes stay up");
            world.observer.messages(|messages| match answer {
                Ok(()) => messages.accepted(number),
                Err(ReportError::TaskTimedOut) => messages.refused(number),
                Err(error) => world.observer.fail(format!("a report met {error:?}")),
            });
        });
    }
}

async fn race(seed: u64) -> (Option<String>, u64) {
    let weather = Weather { slow: 0.7, slow_millis_max: 20, ..Weather::default() };
    let world = World::new(Plan { nodes: 2, weather, ..Plan::calm(seed) }).await;
    let mut dice = Dice::new(seed, "race");
    let machine = machine::named(dice.pick(&["wide_map", "map", "parallel"]));
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
    world
        .call(&mut dice, |engine| async move { engine.start(request).await })
        .await
        .expect("nodes stay up")
        .expect("it starts");
    // A poll that finds nothing for so long: everything is done.
    let wait = Duration::from_secs(30);
    let take = |engine: Engine| async move { engine.take(machine::FUNCTION_QUEUE, None, wait).await };
    while let Some(task) = world.call(&mut dice, take).await.expect("nodes stay up").expect("the store is there") {
        contradict(world.clone(), task, &mut dice).await;
    }
    world.calm_down();
    world.finish().await;
    (world.observer.failure(), world.observer.stale())
}

#[test]
fn two_nodes_racing_on_one_execution_write_one_history() {
    let mut stale = 0;
    for seed in 0..150 {
        let (failure, lost) = in_virtual_time(race(seed));
        assert_eq!(failure, None, "seed {seed}");
        stale += lost;
    }
    assert!(stale > 150, "the nodes hardly met: {stale} commits were stale");
}
