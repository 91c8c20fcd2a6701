//! SNS: publishing a message.

use async_trait::async_trait;
use aws_sdk_sns::types::MessageAttributeValue;

use crate::{Config, Error};

/// A message to a topic, a platform endpoint or a phone.
#[derive(Clone, Debug, Default)]
pub struct Publish {
    /// `TopicArn` or `TargetArn`.
    pub topic_arn: String,
    /// `Subject`, for e-mail: at most 100 characters of ASCII.
    pub subject: Option<String>,
    /// `Message`.
    pub message: String,
    /// `MessageDeduplicationId`, sent to FIFO topics; on others it is the attribute `DeduplicationId`, for receivers
    /// that want to know a repeated delivery.
    pub deduplication_id: Option<String>,
    /// `MessageGroupId`, for FIFO topics.
    pub group_id: Option<String>,
    /// `MessageAttributes` as (name, data type, text).
    pub attributes: Vec<(String, String, String)>,
}

/// SNS has the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// `MessageId`.
    pub message_id: String,
    /// `SequenceNumber`, of FIFO topics.
    pub sequence_number: Option<String>,
}

/// Whoever takes messages.
#[async_trait]
pub trait Notifications: Send + Sync {
    /// Publishes; SNS has the message once this returns.
    async fn publish(&self, message: &Publish) -> Result<Receipt, Error>;
}

/// The service.
#[derive(Clone, Debug)]
pub struct Sns(aws_sdk_sns::Client);

impl Sns {
    /// A client.
    pub fn new(config: &Config) -> Self {
        Self(aws_sdk_sns::Client::new(&config.0))
    }
}

#[async_trait]
impl Notifications for Sns {
    async fn publish(&self, message: &Publish) -> Result<Receipt, Error> {
        let fifo = message.topic_arn.ends_with(".fifo");
        let mut call = self
            .0
            .publish()
            .topic_arn(&message.topic_arn)
            .set_subject(message.subject.clone())
            .message(&message.message)
            .set_message_group_id(message.group_id.clone());
        for (name, kind, value) in &message.attributes {
            call = call.message_attributes(name, attribute(kind, value));
        }
        if let Some(id) = &message.deduplication_id {
            call = if fifo {
                call.message_deduplication_id(id)
            } else {
                call.message_attributes("DeduplicationId", attribute("String", id))
            };
        }
        if fifo && message.group_id.is_none() {
            call = call.message_group_id("stepwell");
        }
        let answer = call.send().await.map_err(|error| Error::of("SNS", "Publish", error))?;
        Ok(Receipt {
            message_id: answer.message_id().unwrap_or_default().to_owned(),
            sequence_number: answer.sequence_number().map(str::to_owned),
        })
    }
}

fn attribute(kind: &str, value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder()
        .data_type(kind)
        .string_value(value)
        .build()
        .expect("the data type, all that is required, is set")
}
