//! Everybody outside: who starts and stops executions, who works on tasks, and who meddles with timers.

use std::sync::Arc;
use std::time::Duration;

use asl::Failure;
use orchestrator::engine::{Engine, Error, ReportError, StartError, StartRequest, TakenTask};
use orchestrator::store::{DueTimer, INTEGRATION_QUEUE};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::machine::{self, Machine};
use crate::messages::Messages;
use crate::world::{World, arn};

/// How workers behave while it storms. In calm weather all are faithful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Answers for certain, with what follows from the input, and keeps its lease meanwhile.
    Faithful,
    /// Late, twice, contradicting itself, or never.
    Rough,
}

/// Starts an execution of this name, again and again until there is an answer.
pub async fn start(world: Arc<World>, machine: &'static Machine, name: String, mut dice: Dice) {
    tokio::time::sleep(dice.pause(4_000)).await;
    let number = world.observer.messages(|messages| messages.number(None));
    let mut input = machine.input.clone();
    input["message"] = json!(Messages::mark(number));
    let request = StartRequest {
        id: None,
        state_machine_arn: arn(machine),
        name: Some(name.clone()),
        input: input.to_string(),
        input_value: input,
        trace_header: None,
        trigger: "api".to_owned(),
        exclusive: false,
    };
    loop {
        let request = request.clone();
        let text = request.input.clone();
        let answer = world.call(&mut dice, |engine| async move { engine.start(request).await }).await;
        world
            .observer
            .note(|| format!("start {name}: {:?}", answer.as_ref().map(|answer| answer.as_ref().map(|s| s.id))));
        match answer {
            Some(Ok(_)) => world.observer.messages(|messages| messages.started(&name, number)),
            Some(Err(StartError::AlreadyExists(record))) if record.input == text => {
                world.observer.messages(|messages| messages.started(&name, number));
                return;
            }
            Some(Err(StartError::AlreadyExists(_))) => {
                return world.observer.messages(|messages| messages.refused(number));
            }
            None | Some(Err(StartError::Fault(Error::Store(_)))) => {
                world.observer.messages(|messages| messages.unknown(number));
                tokio::time::sleep(dice.pause(3_000)).await;
                continue;
            }
            Some(Err(error)) => return world.observer.fail(format!("start {name}: {error:?}")),
        }
        // Who got an answer sometimes asks again all the same.
        if !dice.chance(0.3) {
            return;
        }
        tokio::time::sleep(dice.pause(20_000)).await;
    }
}

/// Stops some execution at some time.
pub async fn stop(world: Arc<World>, mut dice: Dice) {
    tokio::time::sleep(dice.pause(50_000)).await;
    let executions = world.observer.executions();
    if executions.is_empty() {
        return;
    }
    let (id, _) = dice.pick(&executions);
    let number = world.observer.messages(|messages| messages.number(Some(id)));
    let failure = Failure::new("Stopped", Messages::mark(number));
    let answer = world.call(&mut dice, |engine| async move { engine.stop(id, failure).await }).await;
    world.observer.note(|| format!("stop {id}: {answer:?}"));
    world.observer.messages(|messages| match answer {
        Some(Ok(true)) => messages.accepted(number),
        Some(Ok(false)) => messages.refused(number),
        Some(Err(_)) | None => messages.unknown(number),
    });
}

/// Fires timers that are not due, and fires them twice; sweeps at odd times.
pub async fn meddle(world: Arc<World>, mut dice: Dice) {
    while !world.is_calm() {
        tokio::time::sleep(dice.pause(6_000)).await;
        if dice.chance(0.3) {
            let leases = dice.chance(0.5);
            let sweep = |engine: Engine| async move {
                if leases { engine.sweep_leases().await } else { engine.sweep_stalled().await }
            };
            world.call(&mut dice, sweep).await;
            continue;
        }
        let executions = world.observer.executions();
        if executions.is_empty() {
            continue;
        }
        let (id, _) = dice.pick(&executions);
        let Some(execution) = world.observer.execution(id) else { continue };
        let timers = execution.open_timers();
        if timers.is_empty() {
            continue;
        }
        let (timer, due_at) = dice.pick(&timers);
        for _ in 0..=dice.below(2) {
            let due = DueTimer { execution: id, timer, due_at };
            let answer = world.call(&mut dice, |engine| async move { engine.fire_timer(due).await }).await;
            world.observer.note(|| format!("fire {timer:?} of {id}: {answer:?}"));
        }
    }
}

/// Polls a queue for ever and works on what comes.
pub async fn work(world: Arc<World>, queue: &'static str, name: String, manner: Manner) {
    let mut dice = Dice::new(world.plan.seed, &name);
    for poll in 0_u64.. {
        if world.is_over() {
            return;
        }
        let wait = Duration::from_secs(dice.below(12));
        let worker = format!("{name}.{poll}");
        let taken = world.call(&mut dice, |engine| async move { engine.take(queue, Some(&worker), wait).await }).await;
        match taken {
            Some(Ok(Some(task))) => {
                world.observer.note(|| format!("{name}.{poll} takes {} of {}", task.task.0, task.execution));
                world.observer.taken(&task);
                let manner = if world.is_calm() { Manner::Faithful } else { manner };
                let dice = Dice::new(world.plan.seed, &format!("{name}.{poll}"));
                tokio::spawn(handle(world.clone(), queue, task, manner, dice));
            }
            Some(Ok(None)) => tokio::time::sleep(dice.pause(200)).await,
            Some(Err(Error::Store(_))) | None => tokio::time::sleep(dice.pause(1_000)).await,
            Some(Err(error)) => return world.observer.fail(format!("poll of {queue}: {error:?}")),
        }
    }
}

async fn handle(world: Arc<World>, queue: &'static str, task: TakenTask, manner: Manner, mut dice: Dice) {
    if queue == INTEGRATION_QUEUE {
        return send_message(world, task, manner, dice).await;
    }
    let shown = queue != machine::JOB_QUEUE;
    let report = Report::new(&world, &task, shown, Outcome::Due);
    if manner == Manner::Faithful {
        let seconds = if world.is_calm() { 0 } else { dice.below(26) };
        if alive_for(&world, &task, seconds, &mut dice).await {
            report.send_until_heard(&world, &mut dice).await;
            if dice.chance(0.2) {
                report.send(&world, &mut dice).await;
            }
        }
        return;
    }
    if dice.chance(0.15) {
        return;
    }
    if dice.chance(0.3) {
        let seconds = dice.below(30);
        alive_for(&world, &task, seconds, &mut dice).await;
    } else {
        // Prompt, slow, or beyond every timeout.
        let millis_max = dice.pick(&[0, 50, 3_000, 60_000]);
        tokio::time::sleep(dice.pause(millis_max)).await;
    }
    let outcome =
        if dice.chance(0.4) { Outcome::Fails(dice.pick(&["Own", "States.Timeout", "Other"])) } else { Outcome::Due };
    let other = Report::new(&world, &task, shown, outcome);
    // The order, and whether one waits for the other, is chance.
    let (mut first, mut second) = if dice.chance(0.5) { (report, other) } else { (other, report) };
    if !dice.chance(0.3) {
        second = first.clone();
    }
    if dice.chance(0.5) {
        std::mem::swap(&mut first, &mut second);
    }
    let late = (world.clone(), dice.pause(30_000), Dice::new(dice.below(u64::MAX), "late"));
    if dice.chance(0.5) {
        tokio::spawn(async move {
            let (world, pause, mut dice) = late;
            tokio::time::sleep(if dice.chance(0.5) { Duration::ZERO } else { pause }).await;
            second.send(&world, &mut dice).await;
        });
    }
    first.send(&world, &mut dice).await;
}

/// Works for so long and says so from time to time. `false` if the task is somebody else's meanwhile.
async fn alive_for(world: &World, task: &TakenTask, seconds: u64, dice: &mut Dice) -> bool {
    for second in 0..seconds {
        if second % 4 == 3 {
            let token = task.token.clone();
            let beat = world.call(dice, |engine| async move { engine.heartbeat(token.as_str()).await }).await;
            if let Some(Err(ReportError::TaskTimedOut)) = beat {
                return false;
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    true
}

/// The orchestrator's own worker of `sqs:sendMessage.waitForTaskToken`: sends once, then keeps the task alive until
/// whoever got the message reports.
async fn send_message(world: Arc<World>, task: TakenTask, manner: Manner, mut dice: Dice) {
    if task.submission.is_none() {
        let token = task.token.as_str().to_owned();
        let Some(Ok(row)) = world.call(&mut dice, |engine| async move { engine.task_of(&token).await }).await else {
            return;
        };
        let (input, report) = (task.input.clone(), Report::new(&world, &task, true, Outcome::Due));
        let mut other = Dice::new(dice.below(u64::MAX), "message");
        let receiver = world.clone();
        tokio::spawn(async move {
            let told: Value = serde_json::from_str(&input).unwrap_or_default();
            if told["MessageBody"]["token"] != report.token.as_str() {
                return receiver.observer.fail("the token of a callback is not the task's".to_owned());
            }
            tokio::time::sleep(other.pause(50_000)).await;
            if manner == Manner::Rough && other.chance(0.3) {
                // Too late for whoever has a timeout.
                tokio::time::sleep(Duration::from_secs(200)).await;
            }
            report.send_until_heard(&receiver, &mut other).await;
        });
        let submit =
            |engine: Engine| async move { engine.submitted(&row, json!({"MessageId": "m"}), json!("m")).await };
        world.call(&mut dice, submit).await;
    }
    while alive_for(&world, &task, 5, &mut dice).await {
        // Its process dies.
        if !world.is_calm() && dice.chance(0.1) {
            return;
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// What follows from the input.
    Due,
    /// An error of this name.
    Fails(&'static str),
}

/// One report on one task; sent any number of times.
#[derive(Clone, Debug)]
struct Report {
    token: String,
    number: Option<u64>,
    outcome: Result<Value, Failure>,
}

impl Report {
    /// `shown`: whether the history shows what is reported; it shows nothing of a job's success.
    fn new(world: &World, task: &TakenTask, shown: bool, outcome: Outcome) -> Self {
        let number = world.observer.messages(|messages| messages.number(Some(task.execution)));
        let mark = Messages::mark(number);
        let input: Value = serde_json::from_str(&task.input).unwrap_or_default();
        let fails = input["fail"].as_u64() > input["retry"].as_u64();
        let outcome = match outcome {
            Outcome::Fails(name) => Err(Failure::new(name, mark)),
            Outcome::Due if fails => Err(Failure::new("Own", mark)),
            Outcome::Due => Ok(json!({"value": input["value"], "message": mark})),
        };
        let number = (shown || outcome.is_err()).then_some(number);
        Self { token: task.token.as_str().to_owned(), number, outcome }
    }

    /// Whether there was an answer.
    async fn send(&self, world: &World, dice: &mut Dice) -> bool {
        let Self { token, outcome, .. } = self.clone();
        let tell = |engine: Engine| async move {
            match outcome {
                Ok(output) => engine.succeed(&token, output).await,
                Err(failure) => engine.fail(&token, failure).await,
            }
        };
        let answer = world.call(dice, tell).await;
        world.observer.note(|| format!("report {:?} {:?}: {answer:?}", self.number, self.outcome));
        if let Some(Err(ReportError::InvalidToken)) = answer {
            world.observer.fail("a task's own token is malformed".to_owned());
        }
        if let Some(number) = self.number {
            world.observer.messages(|messages| match &answer {
                Some(Ok(())) => messages.accepted(number),
                Some(Err(ReportError::TaskTimedOut | ReportError::InvalidToken)) => messages.refused(number),
                Some(Err(ReportError::Fault(_))) | None => messages.unknown(number),
            });
        }
        if let Some(Err(ReportError::Fault(error @ (Error::ShuttingDown | Error::Corrupt(_) | Error::Revision(_))))) =
            &answer
        {
            world.observer.fail(format!("a report met {error:?}"));
        }
        matches!(answer, Some(Ok(()) | Err(ReportError::TaskTimedOut | ReportError::InvalidToken)))
    }

    async fn send_until_heard(&self, world: &World, dice: &mut Dice) {
        while !self.send(world, dice).await {
            tokio::time::sleep(dice.pause(2_000)).await;
        }
    }
}
