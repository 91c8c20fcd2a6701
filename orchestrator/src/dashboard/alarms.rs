//! Messages of the outbox with the state of their delivery.

use askama::Template;
use asl::Timestamp;
use axum::extract::State;
use axum::response::Html;
use serde_json::Value;

use super::Dashboard;
use super::json::Json;
use super::mark::Mark;
use super::moment::Moment;
use super::page::{Chrome, execution_path, html};
use super::problem::Problem;
use crate::store::{Delivery, OutboxMessage};

/// Messages that are listed.
const MESSAGES_MAX: u32 = 100;

/// The page.
#[derive(Debug, Template)]
#[template(path = "alarms.html")]
pub struct Alarms {
    chrome: Chrome,
    messages: Vec<MessageView>,
    unconfigured: bool,
}

#[derive(Debug)]
struct MessageView {
    id: String,
    mark: Mark,
    delivery: &'static str,
    channel: String,
    subject: String,
    execution: Option<String>,
    attempts: u32,
    note: String,
    created: Moment,
    due: Option<Moment>,
    payload: Json,
}

/// `GET /alarms`.
pub async fn show(State(dashboard): State<Dashboard>) -> Result<Html<String>, Problem> {
    let now = dashboard.store.now().await?;
    let messages = dashboard.store.outbox(MESSAGES_MAX).await?;
    html(&Alarms {
        chrome: Chrome::new("Alarms", "alarms").live("/alarms"),
        unconfigured: messages.iter().any(|message| message.delivery == Delivery::NotConfigured),
        messages: messages.iter().map(|message| MessageView::new(message, now)).collect(),
    })
}

impl MessageView {
    fn new(message: &OutboxMessage, now: Timestamp) -> Self {
        Self {
            id: message.id.to_string(),
            mark: Mark::from(message.delivery),
            delivery: match message.delivery {
                Delivery::Pending => "to be delivered",
                Delivery::Sent => "delivered",
                Delivery::Failed => "given up",
                Delivery::NotConfigured => "not configured",
            },
            channel: message.channel.clone(),
            subject: subject(&message.payload).unwrap_or_else(|| "message".to_owned()),
            execution: find(&message.payload, &["execution_arn", "executionArn", "execution"])
                .filter(|arn| arn.starts_with("arn:"))
                .map(|arn| execution_path(&arn)),
            attempts: message.attempts,
            note: message.note.clone().unwrap_or_default(),
            created: Moment::ago(message.created_at, now),
            due: (message.delivery == Delivery::Pending).then(|| Moment::ago(message.due_at, now)),
            payload: Json::of(&message.payload),
        }
    }
}

/// What a message is about.
fn subject(payload: &Value) -> Option<String> {
    find(payload, &["subject", "Subject", "title", "metric", "namespace"]).or_else(|| {
        let place = [find(payload, &["pipeline"]), find(payload, &["ds", "partition"]), find(payload, &["error"])];
        let words: Vec<String> = place.into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(" "))
    })
}

/// The first of these fields, in the payload or in the JSON text of its message.
fn find(payload: &Value, names: &[&str]) -> Option<String> {
    let text = |value: &Value| names.iter().find_map(|name| value.get(name)?.as_str().map(str::to_owned));
    text(payload).or_else(|| {
        let message = payload.get("message").or_else(|| payload.get("Message"))?;
        match message.as_str() {
            Some(inner) => text(&serde_json::from_str(inner).ok()?),
            None => text(message),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn subjects_are_found_wherever_they_stand() {
        for (payload, expected) in [
            (json!({ "subject": "daily-prices failed" }), Some("daily-prices failed")),
            (
                json!({ "message": "{\"pipeline\":\"daily-prices\",\"ds\":\"2025-09-05\"}" }),
                Some("daily-prices 2025-09-05"),
            ),
            (json!({ "Message": "plain" }), None),
            (json!(3), None),
        ] {
            assert_eq!(subject(&payload).as_deref(), expected, "{payload}");
        }
    }
}
