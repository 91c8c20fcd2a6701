//! Every setting of `stepwell serve`: a flag, its environment twin, unit, default and reason.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// Settings of a server.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Address to listen on. The default port is Step Functions Local's, so existing endpoint settings fit; port 0 takes a
    /// free one. Other than loopback addresses need --insecure-listen.
    #[arg(long, env = "STEPWELL_LISTEN", default_value = "127.0.0.1:8083")]
    pub listen: SocketAddr,
    /// Folder of the embedded database, made if missing. Not used with --database-url.
    #[arg(long, env = "STEPWELL_DATA", default_value = ".stepwell")]
    pub data: PathBuf,
    /// Postgres to keep everything in, `postgres://user:password@host/database`; the embedded database without it.
    /// `memory:` keeps everything in memory, for trials. A `DATABASE_URL` of a Postgres counts where neither is given.
    #[arg(long, env = "STEPWELL_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Folder of state machines (`<name>.asl.json`) and pipeline sheets (`<name>.toml`), applied at start and on change.
    #[arg(long, env = "STEPWELL_STATE_MACHINES", default_value = "state-machines")]
    pub state_machines: PathBuf,
    /// Region in ARNs; where it is not given, `AWS_DEFAULT_REGION`'s.
    #[arg(long, env = "AWS_REGION", default_value_t = default_region())]
    pub region: String,
    /// Account in ARNs; Step Functions Local's by default.
    #[arg(long, env = "AWS_ACCOUNT_ID", default_value = "123456789012")]
    pub account: String,
    /// Environment: `dev`, `staging`, `prod`. Chooses the values of pipeline sheets; jobs, functions and topics are named
    /// `<environment>-<name>`.
    #[arg(long, env = "STEPWELL_ENV", default_value = "dev")]
    pub env: String,
    /// Address under which people reach the dashboard, for links in alerts; the listening address without it.
    #[arg(long, env = "STEPWELL_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// SNS topic that alerts of failed runs go to. Without it they are recorded and shown as not configured. Credentials
    /// and endpoint come from the standard AWS chain (`AWS_PROFILE`, `AWS_ENDPOINT_URL`, ...).
    #[arg(long, env = "STEPWELL_SNS_TOPIC_ARN")]
    pub sns_topic_arn: Option<String>,
    /// CloudWatch namespace that metrics of executions and jobs go to. Without it none are sent.
    #[arg(long, env = "STEPWELL_CLOUDWATCH_NAMESPACE")]
    pub cloudwatch_namespace: Option<String>,
    /// Run Glue jobs and crawlers that no sheet binds and no worker serves on AWS Glue. Those a sheet binds to it
    /// (`[bindings] glue`) run there without this. Region, credentials and endpoint as for the alerts.
    #[arg(long, env = "STEPWELL_AWS_GLUE")]
    pub aws_glue: bool,
    /// Accept connections from other machines. There is no access control in this version: only in a network that nobody
    /// else can reach, such as a container's own.
    #[arg(long, env = "STEPWELL_INSECURE_LISTEN")]
    pub insecure_listen: bool,
    /// Seconds a job's or function's task stays its worker's without a heartbeat: how long a killed worker's job waits
    /// before another worker takes it.
    #[arg(long, env = "STEPWELL_LEASE_SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub lease_seconds: u64,
    /// Seconds that requests in flight may take after SIGTERM before the server goes all the same.
    #[arg(long, env = "STEPWELL_DRAIN_SECONDS", default_value_t = 10)]
    pub drain_seconds: u64,
}

impl ServeArgs {
    /// The database's URL as the store opens it.
    pub fn store_url(&self) -> String {
        self.store_url_or(std::env::var("DATABASE_URL").ok())
    }

    fn store_url_or(&self, general: Option<String>) -> String {
        let given = self.database_url.clone().or_else(|| postgres_url(general));
        given.unwrap_or_else(|| format!("sqlite:{}", self.data.display()))
    }
}

/// The region where none is given: the older of AWS's two variables, else the one Step Functions Local has.
fn default_region() -> String {
    std::env::var("AWS_DEFAULT_REGION")
        .ok()
        .filter(|region| !region.is_empty())
        .unwrap_or_else(|| "us-east-1".to_owned())
}

/// `DATABASE_URL` is other programs' variable, too: an address of another database is not meant for this one.
pub(crate) fn postgres_url(general: Option<String>) -> Option<String> {
    general.filter(|url| url.starts_with("postgres://") || url.starts_with("postgresql://"))
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    #[test]
    fn database_is_the_flags_then_the_general_variables_then_the_embedded_one() {
        for (flags, general, expected) in [
            (vec![], None, "sqlite:.stepwell"),
            (vec![], Some("postgres://db/general"), "postgres://db/general"),
            (vec![], Some("postgresql://db/general"), "postgresql://db/general"),
            (vec![], Some("mysql://db/others"), "sqlite:.stepwell"),
            (vec![], Some(""), "sqlite:.stepwell"),
            (vec!["--data", "here"], None, "sqlite:here"),
            (vec!["--database-url", "memory:"], Some("postgres://db/general"), "memory:"),
        ] {
            let line = std::iter::once("serve").chain(flags.iter().copied());
            let mut command = ServeArgs::augment_args(clap::Command::new("serve"));
            command = command.mut_arg("database_url", |arg| arg.env(None::<&str>));
            command = command.mut_arg("data", |arg| arg.env(None::<&str>));
            let args = ServeArgs::from_arg_matches(&command.get_matches_from(line)).expect("valid flags");
            assert_eq!(args.store_url_or(general.map(str::to_owned)), expected, "{flags:?} {general:?}");
        }
    }
}
