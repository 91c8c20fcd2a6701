//! One configuration for all clients.

use std::time::Duration;

use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
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
    /// The region; else that of the environment or the profile, else `us-east-1`.
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
        // Providers make an HTTP client of their own otherwise, and there is none to make.
        let provider = ProviderConfig::without_region().with_http_client(http.clone());
        let region = RegionProviderChain::first_try(settings.region.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::builder().configure(&provider).build())
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
        if settings.endpoint_url.is_some() || std::env::vars().any(|(name, _)| name.starts_with("AWS_ENDPOINT_URL")) {
            loader = loader.credentials_provider(stand_in_credentials(&provider));
        }
        Self(loader.load().await)
    }
}

/// A stand-in for AWS takes any credentials: those of the environment or the profile, else made-up ones. Instance roles
/// are not asked, since looking for them off AWS takes seconds.
fn stand_in_credentials(provider: &ProviderConfig) -> CredentialsProviderChain {
    let made_up = Credentials::new("stepwell", "stepwell", None, None, "stepwell");
    CredentialsProviderChain::first_try("environment", EnvironmentVariableCredentialsProvider::new())
        .or_else("profile", ProfileFileCredentialsProvider::builder().configure(provider).build())
        .or_else("stepwell", made_up)
}
