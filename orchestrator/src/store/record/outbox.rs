//! Messages to deliver, and what became of them.

use std::time::Duration;

use asl::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Delivery {
    /// Not yet delivered; tried again when due.
    Pending,
    /// Delivered.
    Sent,
    /// Given up.
    Failed,
    /// There is nowhere to send it.
    NotConfigured,
}

impl Delivery {
    /// The word the store keeps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sent => "SENT",
            Self::Failed => "FAILED",
            Self::NotConfigured => "NOT_CONFIGURED",
        }
    }
}

impl std::str::FromStr for Delivery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Pending, Self::Sent, Self::Failed, Self::NotConfigured]
            .into_iter()
            .find(|delivery| delivery.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no state of a delivery"))
    }
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxMessage {
    /// The key.
    pub id: Uuid,
    /// `sns`, `cloudwatch` or `glue`.
    pub channel: String,
    /// What to send.
    pub payload: Value,
    /// How it stands.
    pub delivery: Delivery,
    /// Attempts so far.
    pub attempts: u32,
    /// What the last attempt ran into, or the receipt.
    pub note: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is tried next, or was settled.
    pub due_at: Timestamp,
}

/// What became of a delivery.
#[derive(Clone, Debug)]
pub struct OutboxSettlement {
    /// The message.
    pub id: Uuid,
    /// Its new state; `Pending` tries again.
    pub delivery: Delivery,
    /// The error or the receipt.
    pub note: Option<String>,
    /// The pause before the next try, for `Pending`.
    pub retry_after: Duration,
}
