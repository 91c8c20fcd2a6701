//! Log lines of a running job: collected as they are read, handed to the server in batches.
//!
//! The buffer is bounded: a server that is away, or a job that writes faster than it can be told, costs the oldest lines
//! and never memory or the job's pace. A line saying how many were lost takes their place.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::report::{Delivery, LogLine, Reports, TaskLogs};

/// The least time between two batches, so that a chatty job makes two requests a second and not two thousand.
const BATCH_EVERY: Duration = Duration::from_millis(500);
/// Lines of one request; with `TEXT_CHARS_MAX` a batch stays below 1 MB for ordinary lines.
const BATCH_LINES_MAX: usize = 500;
/// Text of one request, in bytes: below the megabyte the API takes.
const BATCH_BYTES_MAX: usize = 512 * 1024;
/// Lines kept for a server that is away.
const BUFFER_LINES_MAX: usize = 10_000;
/// Longer lines are cut: they are data that went astray.
const TEXT_CHARS_MAX: usize = 8_192;
/// Lines remembered for the cause of a job that ended without a result.
const TAIL_LINES: usize = 20;

/// The log of one task, shared by the readers of the job's output and the sender.
#[derive(Clone, Default)]
pub(crate) struct JobLog {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    arrived: Notify,
    sending: tokio::sync::Mutex<()>,
}

/// Lines of one request; the first stands for `lost` that are not among them, if there are such.
struct Batch {
    lines: Vec<LogLine>,
    lost: u64,
}

#[derive(Default)]
struct Buffer {
    waiting: VecDeque<LogLine>,
    lost: u64,
    tail: VecDeque<String>,
}

impl JobLog {
    /// Adds a line.
    pub fn push(&self, stream: &'static str, text: &str) {
        let text = crate::client::first_chars(text.trim_end_matches(['\n', '\r']), TEXT_CHARS_MAX).to_owned();
        let mut buffer = self.shared.buffer.lock();
        if buffer.tail.len() == TAIL_LINES {
            buffer.tail.pop_front();
        }
        buffer.tail.push_back(text.clone());
        if buffer.waiting.len() == BUFFER_LINES_MAX {
            buffer.waiting.pop_front();
            buffer.lost += 1;
        }
        buffer.waiting.push_back(LogLine { at: chrono::Utc::now().timestamp_millis(), stream, text });
        drop(buffer);
        self.shared.arrived.notify_one();
    }

    /// The last lines, oldest first.
    pub fn tail(&self) -> Vec<String> {
        self.shared.buffer.lock().tail.iter().cloned().collect()
    }

    /// Forgets the tail, so that a second attempt is not explained by the first one's lines.
    pub fn start_attempt(&self) {
        self.shared.buffer.lock().tail.clear();
    }

    /// Sends what arrives, at most every half second, until the job is over. What arrived last is for a final `flush`.
    pub async fn stream(&self, reports: &Reports, task_token: &str, over: &CancellationToken) {
        loop {
            tokio::select! {
                () = self.shared.arrived.notified() => {}
                () = over.cancelled() => return,
            }
            let began = Instant::now();
            if self.flush(reports, task_token).await == Delivery::Unreachable {
                // What could not be sent is tried again even if the job says nothing more.
                self.shared.arrived.notify_one();
            }
            tokio::select! {
                () = tokio::time::sleep_until(began + BATCH_EVERY) => {}
                () = over.cancelled() => return,
            }
        }
    }

    /// Sends everything that waits; stops at the first batch the server does not answer, which stays in the buffer.
    pub async fn flush(&self, reports: &Reports, task_token: &str) -> Delivery {
        let _one_at_a_time = self.shared.sending.lock().await;
        loop {
            let batch = self.shared.buffer.lock().next_batch();
            if batch.lines.is_empty() {
                return Delivery::Delivered;
            }
            let delivery = reports.logs(&TaskLogs { task_token, lines: &batch.lines }).await;
            if delivery == Delivery::Unreachable {
                self.shared.buffer.lock().put_back(batch);
                return delivery;
            }
        }
    }
}

impl Buffer {
    fn next_batch(&mut self) -> Batch {
        let mut batch = Batch { lines: Vec::new(), lost: 0 };
        if let (true, Some(oldest)) = (self.lost > 0, self.waiting.front()) {
            let text =
                format!("[{} earlier lines were lost: the server was away or the job wrote too fast]", self.lost);
            batch.lines.push(LogLine { at: oldest.at, stream: "worker", text });
            batch.lost = std::mem::take(&mut self.lost);
        }
        let mut bytes = 0;
        while let Some(line) = self.waiting.front() {
            bytes += json_bytes(&line.text);
            if batch.lines.len() >= BATCH_LINES_MAX || (bytes > BATCH_BYTES_MAX && !batch.lines.is_empty()) {
                break;
            }
            batch.lines.extend(self.waiting.pop_front());
        }
        batch
    }

    /// What was not sent goes back to the front; what no longer fits is lost like any other.
    fn put_back(&mut self, batch: Batch) {
        self.lost += batch.lost;
        for line in batch.lines.into_iter().skip(usize::from(batch.lost > 0)).rev() {
            if self.waiting.len() == BUFFER_LINES_MAX {
                self.lost += 1;
            } else {
                self.waiting.push_front(line);
            }
        }
    }
}

/// What a text takes in JSON, without its quotes.
fn json_bytes(text: &str) -> usize {
    let byte = |byte| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(byte).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(lines: usize) -> JobLog {
        let log = JobLog::default();
        for line in 0..lines {
            log.push("stderr", &format!("line {line}\n"));
        }
        log
    }

    #[test]
    fn batches_keep_the_order_and_the_limit() {
        let log = log_of(BATCH_LINES_MAX + 1);
        let mut buffer = log.shared.buffer.lock();
        let (first, second) = (buffer.next_batch().lines, buffer.next_batch().lines);
        assert_eq!((first.len(), second.len()), (BATCH_LINES_MAX, 1));
        assert_eq!((first[0].text.as_str(), second[0].text.as_str()), ("line 0", "line 500"));
        assert!(buffer.next_batch().lines.is_empty());
    }

    #[test]
    fn a_batch_of_long_lines_stays_below_the_request_limit() {
        for character in ["x", "\"", "\u{1}", "\t"] {
            let log = JobLog::default();
            for _ in 0..200 {
                log.push("stdout", &character.repeat(3 * TEXT_CHARS_MAX));
            }
            let batch = log.shared.buffer.lock().next_batch().lines;
            assert_eq!(batch[0].text.len(), TEXT_CHARS_MAX);
            let body = serde_json::to_vec(&TaskLogs { task_token: "token", lines: &batch }).unwrap();
            assert!(body.len() <= BATCH_BYTES_MAX + 100 * batch.len(), "{character:?}: {} bytes", body.len());
        }
    }

    #[test]
    fn lost_lines_are_counted_in_their_place() {
        let log = log_of(BUFFER_LINES_MAX + 7);
        let batch = log.shared.buffer.lock().next_batch();
        assert!(batch.lines[0].text.starts_with("[7 earlier lines were lost"), "{}", batch.lines[0].text);
        assert_eq!((batch.lines[0].stream, batch.lines[1].text.as_str()), ("worker", "line 7"));
        // While it was under way, and could not be sent, as many came.
        for _ in 0..batch.lines.len() {
            log.push("stderr", "new");
        }
        let mut buffer = log.shared.buffer.lock();
        let expected = format!("[{} earlier lines were lost", 7 + batch.lines.len());
        buffer.put_back(batch);
        let again = buffer.next_batch();
        assert!(again.lines[0].text.starts_with(&expected), "{} is not {expected}", again.lines[0].text);
    }

    #[test]
    fn what_was_not_sent_comes_again_first() {
        let log = log_of(3);
        let mut buffer = log.shared.buffer.lock();
        let batch = buffer.next_batch();
        buffer.put_back(batch);
        assert_eq!(
            buffer.next_batch().lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(),
            ["line 0", "line 1", "line 2"]
        );
    }

    #[test]
    fn the_tail_holds_the_last_lines_of_the_attempt() {
        let log = log_of(TAIL_LINES + 5);
        assert_eq!((log.tail().len(), log.tail()[0].as_str()), (TAIL_LINES, "line 5"));
        log.start_attempt();
        assert!(log.tail().is_empty());
    }
}
