//! Settings of a worker process: what may be typed ([`Config`]), and what is meant ([`Settings`]).
//!
//! Every flag has an environment twin. Nothing else in the crate looks at flags; children are told what they need
//! through their own environment (see `child.rs`).

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use url::Url;

use crate::query::{RemoteError, check_remote};

/// Where `stepwell serve` listens unless told otherwise: the port of Step Functions Local.
pub const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:8083";

/// Functions wait more than they compute, so their limit is not the number of cores.
const FUNCTIONS_AT_ONCE: usize = 8;

/// The longest name the service takes for an activity or a worker (`GetActivityTask`, API reference).
const NAME_CHARS_MAX: usize = 80;

/// What may be typed after `stepwell worker`.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address of the Step Functions API [default: http://127.0.0.1:8083, with --aws that of the region]
    #[arg(long, env = "STEPWELL_ENDPOINT")]
    pub endpoint: Option<String>,

    /// Serve AWS Step Functions: the standard AWS credentials, and none of Stepwell's own calls
    #[arg(long, env = "STEPWELL_AWS")]
    pub aws: bool,

    /// Region whose activities are served; where it is not given, AWS_DEFAULT_REGION's
    #[arg(long, env = "AWS_REGION", default_value_t = default_region())]
    pub region: String,

    /// Token for Stepwell's REST calls (logs, reports), where the server asks for one
    #[arg(long, env = "STEPWELL_TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// Name shown on the dashboard and in histories [default: <host>-<pid>]
    #[arg(long, env = "STEPWELL_WORKER_NAME")]
    pub name: Option<String>,

    /// Jobs that may run at once [default: the number of cores]
    #[arg(long, env = "STEPWELL_SLOTS")]
    pub slots: Option<usize>,

    /// Functions that may run at once
    #[arg(long, env = "STEPWELL_FUNCTION_SLOTS", default_value_t = FUNCTIONS_AT_ONCE)]
    pub function_slots: usize,

    /// Environment; activities are named <env>-<job> and <env>-<function>
    #[arg(long, env = "STEPWELL_ENV", default_value = "dev")]
    pub env: String,

    /// Serve only these jobs and functions (comma separated, with or without the environment)
    #[arg(long, env = "STEPWELL_ONLY", value_delimiter = ',')]
    pub only: Vec<String>,

    /// Folder or URL under which buckets live for jobs that are given none
    #[arg(long, env = "STEPWELL_LAKE")]
    pub storage_root: Option<String>,

    /// Memory a job may hold resident before it is stopped, in MiB [default: no limit]
    #[arg(long, env = "STEPWELL_JOB_MEMORY_MIB")]
    pub job_memory_mib: Option<u64>,

    /// Spark Connect endpoint (sc://host:port) for the jobs that sheets bind to Spark [default: none are served]
    #[arg(long, env = "STEPWELL_SPARK_REMOTE", hide_env_values = true)]
    pub spark_remote: Option<String>,

    /// Threads a job computes with [default: the number of cores]
    #[arg(long, env = "STEPWELL_JOB_THREADS")]
    pub job_threads: Option<usize>,

    /// How often a job that failed with a retryable code is run again before its task fails
    #[arg(long, env = "STEPWELL_JOB_RETRIES", default_value_t = 1)]
    pub job_retries: u32,

    /// Longest a function may take, in seconds
    #[arg(long, env = "STEPWELL_FUNCTION_TIMEOUT_SECONDS", default_value_t = 300.0)]
    pub function_timeout_seconds: f64,

    /// Seconds between two heartbeats of a running task; also how soon a stopped task is noticed [default: 2, AWS 10]
    #[arg(long, env = "STEPWELL_HEARTBEAT_SECONDS")]
    pub heartbeat_seconds: Option<f64>,

    /// Seconds a job may take to end after SIGTERM before it gets SIGKILL
    #[arg(long, env = "STEPWELL_KILL_GRACE_SECONDS", default_value_t = 3.0)]
    pub kill_grace_seconds: f64,

    /// Seconds running jobs may go on after the worker was asked to stop
    #[arg(long, env = "STEPWELL_WORKER_DRAIN_SECONDS", default_value_t = 60.0)]
    pub drain_seconds: f64,

    /// Also serve the jobs that test the worker itself
    #[arg(long, env = "STEPWELL_WITH_TEST_JOBS", hide = true)]
    pub with_test_jobs: bool,

    /// The program started for a job, as `<program> job <name> --argument=value` [default: this program]
    #[arg(long, env = "STEPWELL_JOB_EXECUTABLE", hide = true)]
    pub executable: Option<PathBuf>,
}

/// A setting that cannot be meant.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The endpoint is no HTTP address.
    #[error("`--endpoint {endpoint}` is not an http:// or https:// address; give one such as {DEFAULT_ENDPOINT}")]
    Endpoint {
        /// What was given.
        endpoint: String,
    },
    /// A number is outside what works.
    #[error("`--{flag} {value}` is not usable; give {want}")]
    Number {
        /// The flag, without dashes.
        flag: &'static str,
        /// What was given.
        value: String,
        /// What would do.
        want: &'static str,
    },
    /// A name the service would refuse.
    #[error("`--{flag} {value}` is not a usable name; give 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_` or `.`")]
    Name {
        /// The flag, without dashes.
        flag: &'static str,
        /// What was given.
        value: String,
    },
    /// `--only` names something this worker does not have.
    #[error("`--only {name}` names no job or function; there are: {known}")]
    Only {
        /// What was given.
        name: String,
        /// What there is, comma separated.
        known: String,
    },
    /// The storage root is no location.
    #[error("`--storage-root {root}` is not usable: {why}")]
    StorageRoot {
        /// What was given.
        root: String,
        /// What is wrong with it.
        why: String,
    },
    /// The Spark endpoint cannot be used.
    #[error(transparent)]
    Spark(#[from] RemoteError),
    /// The running program cannot be found, so no job could be started.
    #[error("cannot find this program's own file to start jobs with; give `--executable`")]
    Executable(#[source] std::io::Error),
}

/// What is meant: checked, with every default filled in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the activity protocol is spoken; `None` is AWS in `region`.
    pub endpoint: Option<Url>,
    /// Whether the other side is AWS: standard credentials only, and none of Stepwell's own calls.
    pub aws: bool,
    /// The region requests are signed for.
    pub region: String,
    /// Bearer token of Stepwell's REST calls.
    pub token: Option<String>,
    /// This worker's name.
    pub name: String,
    /// Host name, for the dashboard.
    pub host: String,
    /// Jobs at once.
    pub slots: usize,
    /// Functions at once.
    pub function_slots: usize,
    /// Prefix of every activity's name, without the dash.
    pub env: String,
    /// What to serve; empty is everything.
    pub only: Vec<String>,
    /// Handed to children as `STEPWELL_LAKE`.
    pub storage_root: Option<String>,
    /// Resident bytes a job may hold.
    pub job_memory_bytes_max: Option<u64>,
    /// Where jobs that are bound to Spark have their SQL run; handed to their processes and to no others.
    pub spark_remote: Option<String>,
    /// Handed to children as `POLARS_MAX_THREADS`.
    pub job_threads: Option<usize>,
    /// Further attempts after a retryable failure.
    pub job_retries: u32,
    /// Longest run of a function.
    pub function_timeout: Duration,
    /// Pause between heartbeats of a task.
    pub heartbeat_every: Duration,
    /// Pause between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
    /// Longest wait for running jobs after shutdown was asked for.
    pub drain_timeout: Duration,
    /// Whether the test jobs are served.
    pub with_test_jobs: bool,
    /// The program started for a job.
    pub executable: PathBuf,
}

impl Config {
    /// The settings without any flag: defaults and the environment.
    pub fn from_environment() -> Result<Config, clap::Error> {
        Config::from_flags(std::iter::empty::<String>())
    }

    /// The settings of these flags (without a program name), for callers that have no command line of their own.
    pub fn from_flags<I, T>(flags: I) -> Result<Config, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString>,
    {
        #[derive(clap::Parser)]
        #[command(name = "worker")]
        struct Flags {
            #[command(flatten)]
            config: Config,
        }
        let flags = flags.into_iter().map(Into::into);
        let parsed: Flags = clap::Parser::try_parse_from(std::iter::once("worker".into()).chain(flags))?;
        Ok(parsed.config)
    }

    /// Checks what was typed and fills in the defaults.
    pub fn resolve(self) -> Result<Settings, ConfigError> {
        let endpoint = match (&self.endpoint, self.aws) {
            (Some(endpoint), _) => Some(parse_endpoint(endpoint)?),
            (None, true) => None,
            (None, false) => Some(parse_endpoint(DEFAULT_ENDPOINT)?),
        };
        let host = host_name();
        let name = match self.name {
            Some(name) => parse_name("name", name)?,
            None => default_worker_name(&host, std::process::id()),
        };
        let executable = match self.executable {
            Some(executable) => executable,
            None => std::env::current_exe().map_err(ConfigError::Executable)?,
        };
        let spark_remote = self.spark_remote.map(|remote| remote.trim().to_owned()).filter(|remote| !remote.is_empty());
        if let Some(remote) = &spark_remote {
            check_remote(remote)?;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Ten seconds on AWS, where every heartbeat counts against the account's request rate.
        let heartbeat_seconds = self.heartbeat_seconds.unwrap_or(if self.aws { 10.0 } else { 2.0 });
        Ok(Settings {
            endpoint,
            aws: self.aws,
            region: self.region,
            token: self.token,
            name,
            host,
            slots: parse_count("slots", self.slots.unwrap_or(cores))?,
            function_slots: parse_count("function-slots", self.function_slots)?,
            env: parse_name("env", self.env)?,
            only: self.only.into_iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect(),
            storage_root: self.storage_root,
            job_memory_bytes_max: self.job_memory_mib.map(|mib| mib.saturating_mul(1 << 20)),
            spark_remote,
            job_threads: self.job_threads.map(|threads| parse_count("job-threads", threads)).transpose()?,
            job_retries: self.job_retries,
            function_timeout: parse_seconds("function-timeout-seconds", self.function_timeout_seconds)?,
            heartbeat_every: parse_seconds("heartbeat-seconds", heartbeat_seconds)?,
            kill_grace: parse_seconds("kill-grace-seconds", self.kill_grace_seconds)?,
            drain_timeout: parse_seconds("drain-seconds", self.drain_seconds)?,
            with_test_jobs: self.with_test_jobs,
            executable,
        })
    }
}

/// The region where none is given: the older of AWS's two variables, else the one Step Functions Local has.
fn default_region() -> String {
    std::env::var("AWS_DEFAULT_REGION")
        .ok()
        .filter(|region| !region.is_empty())
        .unwrap_or_else(|| "us-east-1".to_owned())
}

fn parse_endpoint(endpoint: &str) -> Result<Url, ConfigError> {
    match Url::parse(endpoint) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(ConfigError::Endpoint { endpoint: endpoint.to_owned() }),
    }
}

fn parse_name(flag: &'static str, value: String) -> Result<String, ConfigError> {
    if (1..=NAME_CHARS_MAX).contains(&value.len()) && value.chars().all(is_name_char) {
        Ok(value)
    } else {
        Err(ConfigError::Name { flag, value })
    }
}

/// Narrower than what the service takes, so that a name also fits a file, a metric and a URL.
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn parse_count(flag: &'static str, value: usize) -> Result<usize, ConfigError> {
    // The upper bound is the semaphore's purpose, not its limit: nobody runs more processes than this on one machine.
    if (1..=4096).contains(&value) {
        Ok(value)
    } else {
        Err(ConfigError::Number { flag, value: value.to_string(), want: "a number from 1 to 4096" })
    }
}

fn parse_seconds(flag: &'static str, value: f64) -> Result<Duration, ConfigError> {
    // A day is more than any of these pauses can mean.
    if (0.01..=86_400.0).contains(&value) {
        Ok(Duration::from_secs_f64(value))
    } else {
        Err(ConfigError::Number { flag, value: value.to_string(), want: "seconds from 0.01 to 86400" })
    }
}

fn host_name() -> String {
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let host: String = host.chars().filter(|c| is_name_char(*c)).collect();
    if host.is_empty() { "localhost".to_owned() } else { host }
}

/// `<host>-<pid>`, the host cut so that the whole fits the service's limit.
fn default_worker_name(host: &str, pid: u32) -> String {
    let suffix = format!("-{pid}");
    let host: String = host.chars().take(NAME_CHARS_MAX - suffix.len()).collect();
    host + &suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flags: &[&str]) -> Result<Settings, ConfigError> {
        Config::from_flags(flags).expect("flags parse").resolve()
    }

    #[test]
    fn without_flags_the_local_server_is_served() {
        let settings = resolve(&[]).unwrap();
        assert_eq!(settings.endpoint.unwrap().as_str(), "http://127.0.0.1:8083/");
        assert_eq!(settings.env, "dev");
        assert!(settings.slots >= 1);
        assert!(settings.name.ends_with(&std::process::id().to_string()), "{}", settings.name);
    }

    #[test]
    fn aws_has_no_endpoint_of_its_own_and_slower_heartbeats() {
        let settings = resolve(&["--aws"]).unwrap();
        assert!(settings.endpoint.is_none());
        assert_eq!(settings.heartbeat_every, Duration::from_secs(10));
        assert!(resolve(&["--aws", "--endpoint", "https://vpce.example"]).unwrap().endpoint.is_some());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_flag() {
        let long = "n".repeat(81);
        for (flags, flag) in [
            (["--endpoint", "localhost:8083"], "--endpoint"),
            (["--endpoint", "file:///tmp"], "--endpoint"),
            (["--slots", "0"], "--slots"),
            (["--function-slots", "5000"], "--function-slots"),
            (["--name", "a b"], "--name"),
            (["--name", &long], "--name"),
            (["--env", ""], "--env"),
            (["--heartbeat-seconds", "0"], "--heartbeat-seconds"),
            (["--drain-seconds", "nan"], "--drain-seconds"),
            (["--spark-remote", "localhost:15002"], "--spark-remote"),
        ] {
            let refusal = resolve(&flags).expect_err(flag).to_string();
            assert!(refusal.contains(flag), "{flags:?}: {refusal}");
        }
    }

    #[test]
    fn long_host_names_leave_room_for_the_pid() {
        let name = default_worker_name(&"h".repeat(200), 4_194_304);
        assert_eq!(name.len(), NAME_CHARS_MAX);
        assert!(name.ends_with("h-4194304"), "{name}");
    }
}
