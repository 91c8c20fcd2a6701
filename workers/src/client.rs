//! The five calls of the activity protocol, through the AWS SDK, with answers sorted by what a worker does about them.
//!
//! The SDK's own retries are off: how long a call is repeated is the caller's decision (a result until it is taken, a
//! heartbeat until the next one is due).

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::config::{Region, SharedCredentialsProvider, SharedHttpClient};
use aws_sdk_sfn::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use tracing::debug;

use crate::config::Settings;

/// The service holds a poll for up to 60 seconds and asks clients to wait at least 65 (`GetActivityTask`).
const POLL_READ_TIMEOUT: Duration = Duration::from_secs(75);
/// Any other call is answered at once, or the server is in trouble.
const CALL_READ_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The service's limits of `error` and `cause` (`SendTaskFailure`, API reference), in characters.
const ERROR_CHARS_MAX: usize = 256;
const CAUSE_CHARS_MAX: usize = 32_768;

/// A call that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The task was stopped, timed out, given to another worker, or is already complete.
    #[error("the task is no longer this worker's: {0}")]
    Gone(String),
    /// The service understood and said no; asking again changes nothing.
    #[error("the service refused: {name}: {message}")]
    Refused {
        /// The service's exception name.
        name: String,
        /// Its message.
        message: String,
    },
    /// No answer, or one that asks to come back later.
    #[error("the service cannot be reached: {0}")]
    Unavailable(String),
}

/// A task handed out by `GetActivityTask`.
#[derive(Clone)]
pub(crate) struct Claimed {
    /// Proof of ownership; never logged.
    pub token: String,
    /// JSON text.
    pub input: String,
}

/// The activity protocol.
pub(crate) struct Client {
    polls: aws_sdk_sfn::Client,
    calls: aws_sdk_sfn::Client,
}

impl Client {
    /// A client for the settings' endpoint or AWS region.
    ///
    /// Credentials: on AWS the standard chain. Elsewhere the environment and the shared profile, and where these have
    /// none, `stepwell`/`stepwell`, since a server of one's own may accept any; instance roles are not asked, because
    /// looking for them off AWS takes seconds.
    pub async fn connect(settings: &Settings) -> Client {
        let plain = settings.endpoint.as_ref().is_some_and(|url| url.scheme() == "http");
        let http = aws_smithy_http_client::Builder::new();
        let http = if plain && !settings.aws {
            http.build_http()
        } else {
            http.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
        };
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .region(Region::new(settings.region.clone()))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if !settings.aws {
            loader = loader.credentials_provider(local_credentials(&settings.region, http).await);
        }
        let shared = loader.load().await;
        let client = |read_timeout| {
            let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(read_timeout).build();
            let mut config = aws_sdk_sfn::config::Builder::from(&shared).timeout_config(timeouts);
            if let Some(endpoint) = &settings.endpoint {
                config = config.endpoint_url(endpoint.as_str());
            }
            aws_sdk_sfn::Client::from_conf(config.build())
        };
        Client { polls: client(POLL_READ_TIMEOUT), calls: client(CALL_READ_TIMEOUT) }
    }

    /// Registers an activity and returns its ARN; repeating it changes nothing.
    pub async fn create_activity(&self, name: &str) -> Result<String, CallError> {
        let created = self.calls.create_activity().name(name).send().await.map_err(sort)?;
        Ok(created.activity_arn)
    }

    /// Waits up to a minute for a task.
    pub async fn get_task(&self, activity_arn: &str, worker: &str) -> Result<Option<Claimed>, CallError> {
        let answer =
            self.polls.get_activity_task().activity_arn(activity_arn).worker_name(worker).send().await.map_err(sort)?;
        Ok(match answer.task_token {
            Some(token) if !token.is_empty() => {
                Some(Claimed { token, input: answer.input.unwrap_or_else(|| "{}".to_owned()) })
            }
            _ => None,
        })
    }

    /// Says the task is still worked on.
    pub async fn heartbeat(&self, token: &str) -> Result<(), CallError> {
        self.calls.send_task_heartbeat().task_token(token).send().await.map_err(sort)?;
        Ok(())
    }

    /// Completes a task; `output` is JSON text.
    pub async fn succeed(&self, token: &str, output: &str) -> Result<(), CallError> {
        self.calls.send_task_success().task_token(token).output(output).send().await.map_err(sort)?;
        Ok(())
    }

    /// Fails a task. Texts over the service's limits are cut.
    pub async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<(), CallError> {
        let call = self.calls.send_task_failure().task_token(token);
        let call = call.error(first_chars(error, ERROR_CHARS_MAX)).cause(first_chars(cause, CAUSE_CHARS_MAX));
        call.send().await.map_err(sort)?;
        Ok(())
    }
}

/// The user's credentials, or stand-ins if there are none that can be had without asking anybody.
pub(crate) async fn local_credentials(region: &str, http: SharedHttpClient) -> SharedCredentialsProvider {
    let region = Region::new(region.to_owned());
    let surroundings = ProviderConfig::without_region().with_region(Some(region)).with_http_client(http);
    let profile = ProfileFileCredentialsProvider::builder().configure(&surroundings).build();
    let chain = CredentialsProviderChain::first_try("environment", EnvironmentVariableCredentialsProvider::new())
        .or_else("profile", profile);
    match chain.provide_credentials().await {
        Ok(_) => SharedCredentialsProvider::new(chain),
        Err(error) => {
            debug!("Signing as `stepwell`, there are no other credentials: {}", DisplayErrorContext(&error));
            SharedCredentialsProvider::new(Credentials::new("stepwell", "stepwell", None, None, "stepwell"))
        }
    }
}

/// At most this many characters of a text.
pub(crate) fn first_chars(text: &str, chars_max: usize) -> &str {
    text.char_indices().nth(chars_max).map_or(text, |(end, _)| &text[..end])
}

fn sort<E>(error: SdkError<E>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let SdkError::ServiceError(answer) = &error else {
        return CallError::Unavailable(describe(&error));
    };
    let status = answer.raw().status().as_u16();
    let name = answer.err().code().unwrap_or("Unknown").to_owned();
    let message = answer.err().message().unwrap_or("no message").to_owned();
    match name.as_str() {
        "TaskTimedOut" | "TaskDoesNotExist" | "InvalidToken" => CallError::Gone(format!("{name}: {message}")),
        "ThrottlingException" | "TooManyRequestsException" | "RequestLimitExceeded" | "ServiceUnavailable"
        // Credentials are refreshed and permissions mended while a worker runs.
        | "ExpiredTokenException" | "UnrecognizedClientException" | "AccessDeniedException" | "InvalidSignatureException" => {
            CallError::Unavailable(format!("{name}: {message}"))
        }
        _ if status >= 500 || matches!(status, 408 | 429) || answer.err().code().is_none() => {
            CallError::Unavailable(format!("HTTP {status}, {name}: {message}"))
        }
        _ => CallError::Refused { name, message },
    }
}

/// The cause at the bottom of the SDK's chain ("Connection refused") in one line.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let deepest = deepest.to_string();
    if deepest.is_empty() { DisplayErrorContext(error).to_string() } else { deepest }
}

/// A pause that doubles with every failure in a row, up to a limit, with jitter so that workers do not return together.
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    /// Starts at a tenth of a second.
    pub fn new() -> Backoff {
        Backoff { next: Backoff::FIRST }
    }

    /// Back to the start, after a success.
    pub fn reset(&mut self) {
        self.next = Backoff::FIRST;
    }

    /// The pause before the next try: between half and all of a span that doubles up to five seconds.
    pub fn pause(&mut self) -> Duration {
        let span = self.next;
        self.next = (span * 2).min(Backoff::LONGEST);
        span.mul_f64(0.5 + 0.5 * unit_interval())
    }
}

/// A number in [0, 1) from a fresh random id: jitter needs no better source.
fn unit_interval() -> f64 {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    (random >> 12) as f64 / (1u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, chars_max, expected) in [("äöü", 2, "äö"), ("ab", 2, "ab"), ("", 3, ""), ("abc", 0, "")] {
            assert_eq!(first_chars(text, chars_max), expected);
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new();
        for span_ms in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let pause = backoff.pause().as_millis();
            assert!((span_ms / 2..=span_ms).contains(&pause), "{pause} ms of {span_ms} ms");
        }
        backoff.reset();
        assert!(backoff.pause() <= Backoff::FIRST);
    }
}
