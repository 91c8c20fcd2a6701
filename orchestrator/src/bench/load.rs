//! The load: clients that start executions, workers that serve an activity.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::BenchArgs;
use super::client::Client;

/// States of the chain that does nothing.
pub(super) const CHAIN_STATES: usize = 10;
/// Starts whose latency is measured one after the other.
const LATENCY_STARTS: usize = 300;
const ROLE: &str = "arn:aws:iam::123456789012:role/bench";

/// The load on one server.
#[derive(Clone)]
pub(super) struct Load {
    address: Arc<str>,
    /// Tells this run's machines from those of runs before.
    tag: Arc<str>,
    args: BenchArgs,
}

/// How long one start takes.
pub(super) struct Latency {
    pub(super) median_ms: f64,
    pub(super) p99_ms: f64,
}

impl Load {
    pub(super) fn new(address: &str, args: &BenchArgs) -> Self {
        let tag = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        Self { address: address.into(), tag: tag.into(), args: args.clone() }
    }

    async fn create(&self, client: &mut Client, name: &str, definition: &Value) -> anyhow::Result<String> {
        let body = json!({ "name": format!("bench-{name}-{}", self.tag), "definition": definition.to_string(), "roleArn": ROLE });
        let created = client.call("CreateStateMachine", &body).await?;
        Ok(created["stateMachineArn"].as_str().context("no ARN")?.to_owned())
    }

    /// Starts all executions with as many requests in flight as there are clients.
    async fn start_all(&self, machine: &str) -> anyhow::Result<()> {
        let left = AtomicU64::new(self.args.executions);
        let body = json!({ "stateMachineArn": machine });
        let client = || async {
            let mut client = Client::connect(&self.address).await?;
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                client.call("StartExecution", &body).await?;
            }
            anyhow::Ok(())
        };
        try_join_all((0..self.args.clients).map(|_| client())).await.map(drop)
    }

    /// Executions per second of ten states that do nothing. All ten are durable when the start is answered.
    pub(super) async fn pass_chain(&self) -> anyhow::Result<f64> {
        let states: serde_json::Map<String, Value> = (0..CHAIN_STATES)
            .map(|at| {
                let mut state = json!({ "Type": "Pass" });
                if at + 1 < CHAIN_STATES {
                    state["Next"] = json!(format!("S{}", at + 1));
                } else {
                    state["End"] = json!(true);
                }
                (format!("S{at}"), state)
            })
            .collect();
        let mut client = Client::connect(&self.address).await?;
        let machine = self.create(&mut client, "chain", &json!({ "StartAt": "S0", "States": states })).await?;
        let started = Instant::now();
        self.start_all(&machine).await?;
        let rate = self.args.executions as f64 / started.elapsed().as_secs_f64();
        let running =
            client.call("ListExecutions", &json!({ "stateMachineArn": machine, "statusFilter": "RUNNING" })).await?;
        ensure!(running["executions"].as_array().is_some_and(Vec::is_empty), "an execution has not ended");
        Ok(rate)
    }

    /// Executions per second of one activity task, from the first start to the last success.
    pub(super) async fn activity(&self) -> anyhow::Result<f64> {
        let mut client = Client::connect(&self.address).await?;
        let activity = client.call("CreateActivity", &json!({ "name": format!("bench-{}", self.tag) })).await?;
        let activity = activity["activityArn"].as_str().context("no ARN")?.to_owned();
        let task = json!({ "StartAt": "T", "States": { "T": { "Type": "Task", "Resource": activity, "End": true } } });
        let machine = self.create(&mut client, "activity", &task).await?;
        let (done, over) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let workers: Vec<_> = (0..self.args.workers)
            .map(|_| tokio::spawn(self.clone().work(activity.clone(), done.clone(), over.clone())))
            .collect();
        let started = Instant::now();
        self.start_all(&machine).await?;
        over.cancelled().await;
        let rate = self.args.executions as f64 / started.elapsed().as_secs_f64();
        for worker in workers {
            worker.await??;
        }
        Ok(rate)
    }

    /// A worker: takes, reports, until all executions are done.
    async fn work(self, activity: String, done: Arc<AtomicU64>, over: CancellationToken) -> anyhow::Result<()> {
        let mut client = Client::connect(&self.address).await?;
        let poll = json!({ "activityArn": activity, "workerName": "bench" });
        loop {
            let task = tokio::select! {
                task = client.call("GetActivityTask", &poll) => task?,
                () = over.cancelled() => return Ok(()),
            };
            let Some(token) = task["taskToken"].as_str() else { continue };
            client.call("SendTaskSuccess", &json!({ "taskToken": token, "output": "{}" })).await?;
            if done.fetch_add(1, Ordering::SeqCst) + 1 == self.args.executions {
                over.cancel();
            }
        }
    }

    /// How long a start takes that nobody else disturbs.
    pub(super) async fn start_latency(&self) -> anyhow::Result<Latency> {
        let pass = json!({ "StartAt": "P", "States": { "P": { "Type": "Pass", "End": true } } });
        let mut client = Client::connect(&self.address).await?;
        let machine = self.create(&mut client, "latency", &pass).await?;
        let mut times = Vec::with_capacity(LATENCY_STARTS);
        for _ in 0..LATENCY_STARTS {
            let started = Instant::now();
            client.call("StartExecution", &json!({ "stateMachineArn": machine })).await?;
            times.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_unstable_by(f64::total_cmp);
        Ok(Latency { median_ms: times[times.len() / 2], p99_ms: times[times.len() * 99 / 100] })
    }
}
