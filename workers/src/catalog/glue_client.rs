//! How AWS Glue is reached.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_glue::Client;
use aws_sdk_glue::config::retry::RetryConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::client::local_credentials;

/// Attempts within one call, throttling included; then the job fails, and its Retry does the rest.
const ATTEMPTS_MAX: u32 = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// A client by the standard AWS environment, but for the endpoint if one is given. Nothing is called yet.
pub(crate) async fn glue_client(endpoint: Option<&str>) -> Client {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(|name| std::env::var(name).ok());
    let region = region.filter(|region| !region.is_empty()).unwrap_or_else(|| "us-east-1".to_owned());
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
        .region(Region::new(region.clone()))
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX));
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    // A stand-in for AWS takes any credentials.
    let is_set = |name| std::env::var_os(name).is_some();
    if endpoint.is_some() || ["AWS_ENDPOINT_URL_GLUE", "AWS_ENDPOINT_URL"].into_iter().any(is_set) {
        loader = loader.credentials_provider(local_credentials(&region, http).await);
    }
    Client::new(&loader.load().await)
}
