//! `sns:publish`. Source: asl.md 4.6.
//!
//! Without SNS configured the message is kept in the outbox, where it is shown as not configured, and the task succeeds: a
//! state machine that tells somebody of its failure must not fail at that on a laptop.

use asl::Failure;
use asl::definition::Pattern;
use aws::Publish;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, Outcome};
use crate::alert;

pub(super) async fn publish(call: &mut Call, pattern: Pattern) -> Outcome {
    let input = call.input();
    let message = match message(&input) {
        Ok(message) => message,
        Err(failure) => return Outcome::Failed(failure),
    };
    if call.task().submission.is_some() {
        return Outcome::Awaited;
    }
    let request_id = Uuid::new_v5(&call.task().execution, &call.task().task.0.to_be_bytes()).to_string();
    let Some(sns) = call.services().sns.clone() else {
        let id = Uuid::new_v5(&call.task().execution, format!("publish {}", call.task().task.0).as_bytes());
        let kept = alert::not_configured_publish(id, &input, call.engine().now());
        return Outcome::DoneAndTell(answer(&id.to_string(), None, &request_id), Box::new(kept));
    };
    let receipt = match sns.publish(&message).await {
        Ok(receipt) => receipt,
        Err(error) => return Outcome::Failed(failure(&error, &request_id)),
    };
    let answer = answer(&receipt.message_id, receipt.sequence_number.as_deref(), &request_id);
    if pattern != Pattern::WaitForTaskToken {
        return Outcome::Done(answer);
    }
    call.give_up_slot();
    let row = match call.engine().task_of(call.task().token.as_str()).await {
        Ok(row) => row,
        Err(error) => return error.into(),
    };
    match call.engine().submitted(&row, answer.clone(), answer).await {
        Ok(()) => Outcome::Awaited,
        Err(error) => error.into(),
    }
}

fn message(input: &Value) -> Result<Publish, Failure> {
    let text = |field: &str| input[field].as_str().map(str::to_owned);
    let Some(topic_arn) = text("TopicArn").or_else(|| text("TargetArn")) else {
        return Err(Failure::new(
            "SNS.InvalidParameterException",
            "Invalid parameter: TopicArn or TargetArn must be given (PhoneNumber is not supported by this server)",
        ));
    };
    let attributes = input["MessageAttributes"].as_object().into_iter().flatten();
    Ok(Publish {
        topic_arn,
        subject: text("Subject"),
        message: match &input["Message"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
        deduplication_id: text("MessageDeduplicationId"),
        group_id: text("MessageGroupId"),
        attributes: attributes
            .filter_map(|(name, value)| {
                let kind = value["DataType"].as_str().unwrap_or("String");
                Some((name.clone(), kind.to_owned(), value["StringValue"].as_str()?.to_owned()))
            })
            .collect(),
    })
}

fn answer(message_id: &str, sequence_number: Option<&str>, request_id: &str) -> Value {
    let mut answer = json!({
        "MessageId": message_id,
        "SdkHttpMetadata": { "HttpStatusCode": 200 },
        "SdkResponseMetadata": { "RequestId": request_id },
    });
    if let Some(number) = sequence_number {
        answer["SequenceNumber"] = json!(number);
    }
    answer
}

fn failure(error: &aws::Error, request_id: &str) -> Failure {
    match error {
        aws::Error::Refused { code, message, status, .. } => {
            let name = if code.ends_with("Exception") { code.clone() } else { format!("{code}Exception") };
            let cause = format!(
                "{message} (Service: AmazonSNS; Status Code: {status}; Error Code: {code}; Request ID: {request_id}; Proxy: null)"
            );
            Failure::new(format!("SNS.{name}"), cause)
        }
        aws::Error::Unreachable { .. } => Failure::new("SNS.SdkClientException", error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_the_service_takes_them() {
        let read = message(&json!({
            "TopicArn": "arn:t", "Message": { "a": 1 }, "Subject": "s",
            "MessageAttributes": { "kind": { "DataType": "String", "StringValue": "x" } },
        }))
        .unwrap();
        assert_eq!((read.topic_arn.as_str(), read.message.as_str()), ("arn:t", r#"{"a":1}"#));
        assert_eq!(read.attributes, [("kind".to_owned(), "String".to_owned(), "x".to_owned())]);
        let refused = message(&json!({ "PhoneNumber": "+1", "Message": "x" })).unwrap_err();
        assert_eq!(refused.error.as_deref(), Some("SNS.InvalidParameterException"));
    }

    #[test]
    fn errors_have_the_names_of_the_optimized_integration() {
        let refused = aws::Error::Refused {
            service: "SNS",
            call: "Publish",
            code: "NotFound".to_owned(),
            message: "Topic does not exist".to_owned(),
            status: 404,
        };
        assert_eq!(failure(&refused, "r").error.as_deref(), Some("SNS.NotFoundException"));
    }
}
