//! Worker processes with what they serve, and the queues that wait.

use askama::Template;
use asl::Timestamp;
use axum::extract::State;
use axum::response::Html;
use serde_json::Value;

use super::Dashboard;
use super::facts::WORKER_GONE_SECONDS;
use super::mark::Mark;
use super::moment::Moment;
use super::page::{Chrome, html};
use super::problem::Problem;
use super::why::{last_segment, serving};
use crate::store::{INTEGRATION_QUEUE, WorkerRecord};

/// Workers that went away are shown for a day.
const SHOWN_SECONDS: i64 = 86_400;

/// The page.
#[derive(Debug, Template)]
#[template(path = "workers.html")]
pub struct Workers {
    chrome: Chrome,
    queues: Vec<QueueView>,
    workers: Vec<WorkerView>,
}

#[derive(Debug)]
struct QueueView {
    name: String,
    waiting: u64,
    oldest: Moment,
    served: usize,
    unserved: bool,
}

#[derive(Debug)]
struct WorkerView {
    mark: Mark,
    name: String,
    host: String,
    version: String,
    running: u64,
    slots: u64,
    activities: Vec<String>,
    seen: Moment,
}

/// `GET /workers`.
pub async fn show(State(dashboard): State<Dashboard>) -> Result<Html<String>, Problem> {
    let now = dashboard.store.now().await?;
    let workers = dashboard.store.workers(now.plus_seconds(-SHOWN_SECONDS)).await?;
    let backlog = dashboard.store.backlog().await?;
    html(&Workers::new(&workers, &backlog, now))
}

impl Workers {
    fn new(workers: &[WorkerRecord], backlog: &[(String, u64, Timestamp)], now: Timestamp) -> Self {
        let gone_before = now.plus_seconds(-WORKER_GONE_SECONDS);
        let alive: Vec<WorkerRecord> = workers.iter().filter(|worker| worker.seen_at >= gone_before).cloned().collect();
        let mut queues: Vec<QueueView> = backlog
            .iter()
            .map(|(queue, waiting, oldest)| {
                let name = last_segment(queue);
                let served = serving(&alive, name);
                QueueView {
                    name: name.to_owned(),
                    waiting: *waiting,
                    oldest: Moment::ago(*oldest, now),
                    served,
                    unserved: served == 0 && queue != INTEGRATION_QUEUE,
                }
            })
            .collect();
        queues.sort_by_key(|queue| (!queue.unserved, queue.name.clone()));
        Self {
            chrome: Chrome::new("Workers", "workers").live("/workers"),
            queues,
            workers: workers.iter().map(|worker| WorkerView::new(worker, gone_before, now)).collect(),
        }
    }
}

impl WorkerView {
    fn new(worker: &WorkerRecord, gone_before: Timestamp, now: Timestamp) -> Self {
        let about = &worker.about;
        let text = |name: &str| about.get(name).and_then(Value::as_str).unwrap_or("—").to_owned();
        let running = about.get("running").map_or(0, amount);
        let pid = about.get("pid").map(|pid| format!(" · pid {pid}")).unwrap_or_default();
        Self {
            mark: match (worker.seen_at < gone_before, running) {
                (true, _) => Mark::Missing,
                (false, 0) => Mark::Succeeded,
                (false, _) => Mark::Running,
            },
            name: worker.name.clone(),
            host: format!("{}{pid}", text("host")),
            version: text("version"),
            running,
            slots: about.get("slots").map_or(0, amount),
            activities: about
                .get("activities")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|name| last_segment(name).to_owned())
                .collect(),
            seen: Moment::ago(worker.seen_at, now),
        }
    }

    /// What its mark means here.
    fn word(&self) -> &'static str {
        match self.mark {
            Mark::Missing => "gone",
            Mark::Running => "at work",
            _ => "idle",
        }
    }
}

/// A number, or how many there are in a list: workers say either.
pub fn amount(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.len() as u64,
        other => other.as_u64().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;

    #[test]
    fn queues_that_nobody_serves_come_first() {
        let now = sample::START.plus_seconds(60);
        let queue = |name: &str| (format!("arn:aws:states:us-east-1:123456789012:activity:{name}"), 2, sample::START);
        let workers = [sample::worker("w-1", &["guard"])];
        let page =
            Workers::new(&workers, &[queue("guard"), queue("transform"), (INTEGRATION_QUEUE.to_owned(), 1, now)], now);
        let unserved: Vec<(&str, bool)> =
            page.queues.iter().map(|queue| (queue.name.as_str(), queue.unserved)).collect();
        assert_eq!(unserved, [("transform", true), ("guard", false), ("integration", false)]);
    }

    #[test]
    fn workers_that_were_not_seen_are_gone() {
        for (seconds, word) in [(31, "at work"), (30 + WORKER_GONE_SECONDS + 1, "gone")] {
            let now = sample::START.plus_seconds(seconds);
            let page = Workers::new(&[sample::worker("w-1", &[])], &[], now);
            assert_eq!(page.workers[0].word(), word);
        }
    }
}
