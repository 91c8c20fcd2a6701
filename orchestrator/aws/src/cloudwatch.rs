//! CloudWatch: putting metric data.

use async_trait::async_trait;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use aws_smithy_types::DateTime;

use crate::{Config, Error};

/// Source: CloudWatch quotas, `PutMetricData`.
const BATCH_MAX: usize = 1_000;

/// The unit of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// None.
    None,
}

/// One value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// The metric's name.
    pub name: String,
    /// (name, value), at most 30.
    pub dimensions: Vec<(String, String)>,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: Unit,
    /// When, in epoch milliseconds.
    pub at_millis: i64,
}

/// Whoever takes metrics.
#[async_trait]
pub trait Metrics: Send + Sync {
    /// Puts values of a namespace; more than one call takes are sent in several.
    async fn put(&self, namespace: &str, data: &[Datum]) -> Result<(), Error>;
}

/// The service.
#[derive(Clone, Debug)]
pub struct CloudWatch(aws_sdk_cloudwatch::Client);

impl CloudWatch {
    /// A client.
    pub fn new(config: &Config) -> Self {
        Self(aws_sdk_cloudwatch::Client::new(&config.0))
    }
}

#[async_trait]
impl Metrics for CloudWatch {
    async fn put(&self, namespace: &str, data: &[Datum]) -> Result<(), Error> {
        for batch in data.chunks(BATCH_MAX) {
            let batch = batch.iter().map(native).collect();
            let call = self.0.put_metric_data().namespace(namespace).set_metric_data(Some(batch));
            call.send().await.map_err(|error| Error::of("CloudWatch", "PutMetricData", error))?;
        }
        Ok(())
    }
}

fn native(datum: &Datum) -> MetricDatum {
    let dimensions = datum.dimensions.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build());
    MetricDatum::builder()
        .metric_name(&datum.name)
        .set_dimensions(Some(dimensions.collect()))
        .value(datum.value)
        .unit(match datum.unit {
            Unit::Count => StandardUnit::Count,
            Unit::Milliseconds => StandardUnit::Milliseconds,
            Unit::Seconds => StandardUnit::Seconds,
            Unit::Bytes => StandardUnit::Bytes,
            Unit::None => StandardUnit::None,
        })
        .timestamp(DateTime::from_millis(datum.at_millis))
        .build()
}
