//! Alerts and metrics for AWS: what is to be told is a row of the outbox, written in the commit it is about; the delivery
//! loop tells it, as often as it takes.
//!
//! Without AWS configured nothing fails: rows are settled as `NOT_CONFIGURED` and stay visible.

mod alarm;
mod delivery;
mod job_metric;
mod message;
mod metric;

pub use alarm::job_alarms;
pub use delivery::Delivery;
pub use job_metric::JobMetrics;
pub(crate) use message::has_notified;
pub use message::{Alert, not_configured_publish};
pub use metric::execution_metrics;

/// The outbox channel of SNS messages.
pub const SNS: &str = "sns";
/// The outbox channel of CloudWatch metrics.
pub const CLOUDWATCH: &str = "cloudwatch";
/// The outbox channel of AWS Glue job runs that are to be stopped.
pub const GLUE: &str = "glue";

/// What alerts need to know of this deployment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `dev`, `staging`, `prod`: the first part of the topic's name.
    pub environment: String,
    /// The region of the topic's ARN.
    pub region: String,
    /// The account of the topic's ARN.
    pub account: String,
    /// All alerts go to this topic, whatever the sheets say.
    pub topic_arn: Option<String>,
    /// Where people find the dashboard, without a slash at the end: `http://127.0.0.1:8083`.
    pub dashboard_url: String,
    /// Set if metrics go to CloudWatch: the namespace.
    pub cloudwatch_namespace: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            environment: "dev".to_owned(),
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            topic_arn: None,
            dashboard_url: "http://127.0.0.1:8083".to_owned(),
            cloudwatch_namespace: None,
        }
    }
}

impl Settings {
    /// The ARN of `<environment>-<topic>`, or the one topic that everything goes to.
    pub fn topic_arn(&self, topic: Option<&str>) -> String {
        let Self { environment, region, account, .. } = self;
        let topic = topic.unwrap_or("data-platform-alerts");
        self.topic_arn.clone().unwrap_or_else(|| format!("arn:aws:sns:{region}:{account}:{environment}-{topic}"))
    }

    /// The page of an execution.
    pub fn execution_url(&self, execution_arn: &str) -> String {
        let arn = percent_encoding::utf8_percent_encode(execution_arn, SEGMENT);
        format!("{}/executions/{arn}", self.dashboard_url.trim_end_matches('/'))
    }
}

const SEGMENT: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');
