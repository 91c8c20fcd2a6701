//! One configuration for all clients.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

/// A call that takes longer is a failed one: whoever made it tries again from durable state.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Attempts within one call; the outbox and Retry do the rest.
const ATTEMPTS_MAX: u32 = 2;

/// What overrides the standard chain.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The region; else the chain's, else `us-east-1`.
    pub region: Option<String>,
    /// Where all services are, in place of AWS: a stand-in such as moto.
    pub endpoint_url: Option<String>,
}

/// Credentials, region, endpoints and timeouts for every client. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Config(pub(crate) SdkConfig);

impl Config {
    /// Reads the standard chain: environment, profile, container, instance. Nothing is called yet.
    pub async fn load(settings: &Settings) -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let region = settings.region.clone().map(Region::new);
        let region = aws_config::meta::region::RegionProviderChain::first_try(region)
            .or_default_provider()
            .or_else(Region::new("us-east-1"));
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(CALL_TIMEOUT).build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .region(region)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX));
        if let Some(endpoint) = &settings.endpoint_url {
            loader = loader.endpoint_url(endpoint);
        }
        Self(loader.load().await)
    }
}
