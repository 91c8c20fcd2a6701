//! Metrics for Prometheus.
//!
//! Counters and histograms are kept where things happen; what is a matter of the store (who waits for what, what stands
//! in the outbox) is looked up when somebody asks.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::store::{self, Delivery, ExecutionStatus, INTEGRATION_QUEUE, Store};

/// From the shortest commit to the longest request, in seconds.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
/// Commits in one transaction.
const BATCH_SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// Messages of the outbox that are counted by state.
const OUTBOX_MAX: u32 = 1_000;
/// How often samples nobody asked for are folded.
const UPKEEP: Duration = Duration::from_secs(30);

/// Makes this process measure; once per process. Folds its samples from time to time, so within a tokio runtime.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_batch_size".to_owned()), &BATCH_SIZES)?
        .install_recorder()?;
    describe();
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

fn describe() {
    describe_counter!("stepwell_executions_started_total", "Executions started on this node");
    describe_counter!("stepwell_executions_ended_total", "Executions ended on this node, by status");
    describe_counter!("stepwell_commits_total", "Turns committed");
    describe_counter!("stepwell_commit_faults_total", "Transactions that failed");
    describe_counter!("stepwell_stale_commits_total", "Turns that found their execution changed and decided again");
    describe_counter!("stepwell_tasks_handed_over_total", "Tasks handed to a waiting poller within their commit");
    describe_counter!("stepwell_leases_expired_total", "Tasks given to another worker because theirs was lost");
    describe_counter!("stepwell_outbox_deliveries_total", "Attempts to deliver a message, by outcome");
    describe_counter!("stepwell_api_requests_total", "Requests of the Step Functions API, by operation and outcome");
    describe_histogram!(
        "stepwell_api_seconds",
        Unit::Seconds,
        "Latency of the Step Functions API, long polls left out"
    );
    describe_histogram!("stepwell_rest_seconds", Unit::Seconds, "Latency of REST, by route");
    describe_histogram!("stepwell_commit_seconds", Unit::Seconds, "Length of a transaction");
    describe_histogram!("stepwell_commit_batch_size", "Turns in one transaction");
    describe_gauge!("stepwell_queue_tasks", "Tasks that wait to be taken, by activity");
    describe_gauge!("stepwell_queue_oldest_seconds", Unit::Seconds, "How long the oldest task has waited, by activity");
    describe_gauge!("stepwell_executions_running", "Executions that run, on all nodes");
    describe_gauge!("stepwell_outbox_messages", "Messages among the newest 1000, by state of delivery");
    describe_gauge!("stepwell_workers", "Workers seen within the last minute");
}

/// Looks up the gauges.
pub async fn observe(store: &dyn Store) -> store::Result<()> {
    let now = store.now().await?;
    for (queue, count, oldest) in store.backlog().await? {
        let queue =
            if queue == INTEGRATION_QUEUE { queue } else { queue.rsplit(':').next().unwrap_or_default().to_owned() };
        gauge!("stepwell_queue_tasks", "queue" => queue.clone()).set(count as f64);
        let waited = (now.millis() - oldest.millis()).max(0) as f64 / 1000.0;
        gauge!("stepwell_queue_oldest_seconds", "queue" => queue).set(waited);
    }
    let counts = store.count_executions(now).await?;
    let running = counts.iter().find(|(status, _)| *status == ExecutionStatus::Running).map_or(0, |(_, count)| *count);
    gauge!("stepwell_executions_running").set(running as f64);
    let mut by_state: BTreeMap<&str, u32> =
        [Delivery::Pending, Delivery::Sent, Delivery::Failed, Delivery::NotConfigured]
            .map(|state| (state.as_str(), 0))
            .into();
    for message in store.outbox(OUTBOX_MAX).await? {
        *by_state.entry(message.delivery.as_str()).or_default() += 1;
    }
    for (state, count) in by_state {
        gauge!("stepwell_outbox_messages", "state" => state).set(f64::from(count));
    }
    let workers = store.workers(now.plus_seconds(-60)).await?;
    gauge!("stepwell_workers").set(workers.len() as f64);
    Ok(())
}
