//! The delivery loop: claims what is due in the outbox, sends it, and writes down what became of it.
//!
//! A message that cannot be sent now is tried again, later and later, for as long as it takes: the server may be down for
//! a night. One that the service refuses for good (a topic that does not exist) is tried again too, since topics are
//! created and permissions mended; its note says why it waits. Delivery is at least once: a crash between sending and
//! writing down sends again, under the same id.

use std::sync::Arc;
use std::time::Duration;

use aws::{Datum, GlueJobs, Metrics, Notifications, Publish, Unit};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{CLOUDWATCH, GLUE, SNS};
use crate::engine::Engine;
use crate::integration;
use crate::store::{self, Delivery as State, Hint, OutboxMessage, OutboxSettlement};

/// Messages claimed at once.
const CLAIM_MAX: u32 = 32;
/// How long a claimed message is this node's: longer than sending it can take.
const RESERVE: Duration = Duration::from_secs(60);
/// How often the outbox is looked at when nothing rings.
const LOOK: Duration = Duration::from_secs(2);
/// The pause after the first failed attempt; it doubles.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Delivers the outbox.
#[derive(Clone)]
pub struct Delivery {
    engine: Engine,
    sns: Option<Arc<dyn Notifications>>,
    cloudwatch: Option<Arc<dyn Metrics>>,
    glue: Option<Arc<dyn GlueJobs>>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("sns", &self.sns.is_some())
            .field("cloudwatch", &self.cloudwatch.is_some())
            .field("glue", &self.glue.is_some())
            .finish_non_exhaustive()
    }
}

impl Delivery {
    /// `None` for a channel that is not configured.
    pub fn new(engine: Engine, sns: Option<Arc<dyn Notifications>>, cloudwatch: Option<Arc<dyn Metrics>>) -> Self {
        Self { engine, sns, cloudwatch, glue: None }
    }

    /// With AWS Glue, for job runs whose tasks were given up.
    pub fn with_glue(self, glue: Option<Arc<dyn GlueJobs>>) -> Self {
        Self { glue, ..self }
    }

    /// Delivers until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut ends = self.engine.ends();
        loop {
            match self.deliver_due().await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "The outbox cannot be read; it is tried again"
                    );
                }
            }
            tokio::select! {
                () = ends.next(LOOK) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Delivers what is due now; how many messages were claimed.
    pub async fn deliver_due(&self) -> store::Result<usize> {
        let claimed = self.engine.store().claim_outbox(CLAIM_MAX, RESERVE).await?;
        if claimed.is_empty() {
            return Ok(0);
        }
        let sent = futures::future::join_all(claimed.iter().map(|message| self.deliver(message))).await;
        self.engine.store().settle_outbox(&sent).await?;
        self.engine.announce(Hint::Page);
        for settlement in &sent {
            metrics::counter!("stepwell_outbox_deliveries_total", "outcome" => settlement.delivery.as_str())
                .increment(1);
        }
        Ok(sent.len())
    }

    async fn deliver(&self, message: &OutboxMessage) -> OutboxSettlement {
        let sent = match message.channel.as_str() {
            SNS => self.publish(message).await,
            CLOUDWATCH => self.put_metrics(message).await,
            GLUE => self.stop_job_run(message).await,
            other => Some(Err(format!("no channel `{other}` is known to this version"))),
        };
        let (delivery, note) = match sent {
            Some(Ok(receipt)) => (State::Sent, Some(receipt)),
            None => (State::NotConfigured, Some(format!("no {} is configured on this server", message.channel))),
            Some(Err(why)) => {
                if message.attempts == 0 {
                    tracing::warn!(outbox.id = %message.id, "A message cannot be delivered yet and is tried again: {why}");
                }
                (State::Pending, Some(why))
            }
        };
        OutboxSettlement { id: message.id, delivery, note, retry_after: pause(message.attempts) }
    }

    async fn publish(&self, message: &OutboxMessage) -> Option<Result<String, String>> {
        let sns = self.sns.as_ref()?;
        let payload = &message.payload;
        let publish = Publish {
            topic_arn: payload["topic_arn"].as_str().unwrap_or_default().to_owned(),
            subject: payload["subject"].as_str().map(str::to_owned),
            message: text_of(&payload["message"]),
            deduplication_id: Some(message.id.to_string()),
            group_id: None,
            attributes: Vec::new(),
        };
        Some(sns.publish(&publish).await.map(|receipt| receipt.message_id).map_err(|error| chain(&error)))
    }

    async fn put_metrics(&self, message: &OutboxMessage) -> Option<Result<String, String>> {
        let cloudwatch = self.cloudwatch.as_ref()?;
        let namespace = message.payload["namespace"].as_str().unwrap_or("Stepwell");
        let data: Vec<Datum> = message.payload["data"].as_array().into_iter().flatten().filter_map(datum).collect();
        let count = data.len();
        Some(cloudwatch.put(namespace, &data).await.map(|()| format!("{count} values")).map_err(|error| chain(&error)))
    }

    async fn stop_job_run(&self, message: &OutboxMessage) -> Option<Result<String, String>> {
        let glue = self.glue.as_ref()?;
        Some(integration::stop_job_run(&**glue, &message.payload, message.attempts).await)
    }
}

/// A message is sent as text: an object as its JSON.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn datum(value: &Value) -> Option<Datum> {
    let dimensions = value["dimensions"].as_object()?;
    Some(Datum {
        name: value["name"].as_str()?.to_owned(),
        dimensions: dimensions
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect(),
        value: value["value"].as_f64()?,
        unit: match value["unit"].as_str()? {
            "Milliseconds" => Unit::Milliseconds,
            "Count" => Unit::Count,
            _ => Unit::None,
        },
        at_millis: value["at"].as_i64()?,
    })
}

/// The error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// The pause after `attempts` failed ones and this one.
fn pause(attempts: u32) -> Duration {
    PAUSE_FIRST.saturating_mul(1 << attempts.min(16)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        for (attempts, seconds) in [(0, 1), (1, 2), (5, 32), (9, 300), (4_000_000, 300)] {
            assert_eq!(pause(attempts), Duration::from_secs(seconds), "{attempts}");
        }
    }
}
