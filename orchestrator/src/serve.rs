//! `stepwell serve`: store, engine, integrations, API and pages in one process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use crate::alert::{self, Delivery, JobMetrics};
use crate::api::rest::{self, Rest};
use crate::config::ServeArgs;
use crate::dashboard::{self, Dashboard};
use crate::engine::{Clock, Config, Engine};
use crate::pipeline::{Actions, Folder, Ledger, Registry, queue};
use crate::store::Store;
use crate::{api, integration, store, telemetry};

/// A server that listens.
pub struct Server {
    address: SocketAddr,
    listener: TcpListener,
    router: axum::Router,
    engine: Engine,
    actions: Actions,
    folder: Folder,
    delivery: Delivery,
    integrations: integration::Services,
    job_metrics: Option<(JobMetrics, Arc<dyn aws::Metrics>, String)>,
    drain: Duration,
}

impl Server {
    /// Opens the store, applies migrations and the folder of state machines, binds the address. Nothing is served before
    /// [`Server::run`].
    pub async fn start(args: &ServeArgs) -> anyhow::Result<Self> {
        anyhow::ensure!(
            args.listen.ip().is_loopback() || args.insecure_listen,
            "{} is not a loopback address, and anybody who can reach it could start and stop executions. Listen on 127.0.0.1 \
             behind a proxy with access control, or give --insecure-listen where nobody else can reach it",
            args.listen.ip()
        );
        let listener = TcpListener::bind(args.listen).await.with_context(|| {
            format!(
                "cannot listen on {}: is another server running there? Choose another address with --listen",
                args.listen
            )
        })?;
        let address = listener.local_addr().context("cannot read the address just bound")?;
        let store: Arc<dyn Store> = store::open(&args.store_url()).await?;
        let clock = Clock::local();
        clock.adjust(&*store).await.context("cannot read the store's clock")?;
        let config = Config {
            region: args.region.as_str().into(),
            account: args.account.as_str().into(),
            lease: Duration::from_secs(args.lease_seconds),
            aws_glue: args.aws_glue,
            ..Config::default()
        };
        let alerts = alert::Settings {
            environment: args.env.clone(),
            region: args.region.clone(),
            account: args.account.clone(),
            topic_arn: args.sns_topic_arn.clone(),
            dashboard_url: args.public_url.clone().unwrap_or_else(|| format!("http://{address}")),
            cloudwatch_namespace: args.cloudwatch_namespace.clone(),
        };
        let services = Services::load(args).await;
        let registry = Registry::default();
        registry.load(&*store).await.context("cannot read the pipelines")?;
        let hooks = Arc::new(Ledger::new(registry.clone(), alerts.clone()));
        let engine = Engine::new(store, clock, config, hooks);
        let mut folder = Folder::new(&args.state_machines, engine.clone(), registry.clone(), &args.env);
        match folder.apply().await {
            Ok(applied) => tracing::info!("Applied {applied} pipelines of `{}`", args.state_machines.display()),
            // A server without pipelines still serves the Step Functions API.
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "No folder of pipelines is applied"),
        }
        let actions = Actions::new(engine.clone(), registry.clone(), &args.env);
        let job_metrics = services.metrics.clone().zip(args.cloudwatch_namespace.clone());
        let job_metrics = job_metrics.map(|(metrics, namespace)| (JobMetrics::default(), metrics, namespace));
        let rest = Rest {
            engine: engine.clone(),
            registry,
            actions: actions.clone(),
            alerts,
            job_metrics: job_metrics.as_ref().map(|(waiting, ..)| waiting.clone()),
            prometheus: Some(telemetry::metrics::install().context("cannot set up metrics")?),
        };
        let changes = engine.clone();
        let pages = Dashboard::new(
            engine.store().clone(),
            Arc::new(Buttons(actions.clone())),
            move || changes.changes(),
            engine.shutdown().clone(),
        );
        let router = dashboard::router(pages)
            .merge(api::router(engine.clone()))
            .merge(rest::router(rest))
            .layer(CatchPanicLayer::new());
        let integrations = integration::Services {
            sns: services.notifications.clone(),
            glue: Some(services.glue.clone()),
            ..integration::Services::default()
        };
        let delivery =
            Delivery::new(engine.clone(), services.notifications, services.metrics).with_glue(Some(services.glue));
        let drain = Duration::from_secs(args.drain_seconds);
        Ok(Self { address, listener, router, engine, actions, folder, delivery, integrations, job_metrics, drain })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The engine behind it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Run and stop, for whoever is in the same process.
    pub fn actions(&self) -> &Actions {
        &self.actions
    }

    /// Serves until `shutdown`, then lets requests in flight finish.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self { address, listener, router, engine, folder, delivery, integrations, job_metrics, drain, .. } = self;
        let mut loops = JoinSet::new();
        loops.spawn({
            let engine = engine.clone();
            async move { engine.run().await }
        });
        loops.spawn(folder.watch());
        loops.spawn(integration::run(engine.clone(), integrations));
        loops.spawn(queue::run(engine.clone(), engine.shutdown().clone()));
        let stopped = engine.shutdown().clone();
        loops.spawn(async move { delivery.run(stopped).await });
        if let Some((waiting, metrics, namespace)) = job_metrics {
            let stopped = engine.shutdown().clone();
            loops.spawn(async move { waiting.run(metrics, &namespace, stopped).await });
        }
        tracing::info!(address = %address, "Listening at http://{address}");
        let stopping = {
            let (engine, shutdown) = (engine.clone(), shutdown.clone());
            async move {
                shutdown.cancelled().await;
                tracing::info!("Shutting down: polls end, requests in flight finish");
                engine.shut_down();
            }
        };
        let serving = std::future::IntoFuture::into_future(
            axum::serve(listener, router.into_make_service()).with_graceful_shutdown(stopping),
        );
        tokio::pin!(serving);
        let drained = async {
            shutdown.cancelled().await;
            tokio::time::sleep(drain).await;
        };
        tokio::select! {
            served = &mut serving => served.context("the server failed")?,
            () = drained => {
                tracing::warn!("Requests were still in flight after {} s; ending all the same", drain.as_secs());
            }
        }
        engine.shut_down();
        while let Some(ended) = loops.join_next().await {
            ended.context("a background loop died")?;
        }
        Ok(())
    }
}

/// The AWS services that are configured.
struct Services {
    notifications: Option<Arc<dyn aws::Notifications>>,
    metrics: Option<Arc<dyn aws::Metrics>>,
    /// Called only for what is bound to it.
    glue: Arc<dyn aws::GlueJobs>,
}

impl Services {
    async fn load(args: &ServeArgs) -> Self {
        let settings = aws::Settings { region: Some(args.region.clone()), endpoint_url: None };
        let glue = Arc::new(aws::Glue::new(settings.clone()));
        if args.sns_topic_arn.is_none() && args.cloudwatch_namespace.is_none() {
            return Self { notifications: None, metrics: None, glue };
        }
        let config = aws::Config::load(&settings).await;
        Self {
            notifications: args.sns_topic_arn.as_ref().map(|_| Arc::new(aws::Sns::new(&config)) as _),
            metrics: args.cloudwatch_namespace.as_ref().map(|_| Arc::new(aws::CloudWatch::new(&config)) as _),
            glue,
        }
    }
}

/// The dashboard's buttons.
#[derive(Debug)]
struct Buttons(Actions);

#[async_trait]
impl dashboard::Actions for Buttons {
    async fn run(&self, pipeline: &str, ds: &str, reprocess: bool) -> Result<String, dashboard::ActionError> {
        self.0.run(pipeline, ds, reprocess, "dashboard").await.map_err(refusal)
    }

    async fn stop(&self, execution_arn: &str) -> Result<(), dashboard::ActionError> {
        self.0.stop(execution_arn, Some("stopped on the dashboard")).await.map(drop).map_err(refusal)
    }
}

fn refusal(error: crate::pipeline::ActionError) -> dashboard::ActionError {
    use crate::pipeline::ActionError;
    match error {
        ActionError::Busy { partition, execution_arn, .. } => dashboard::ActionError::Busy { partition, execution_arn },
        ActionError::Invalid { field, problem, remedy } => {
            dashboard::ActionError::Refused { reason: format!("`{field}` {problem}"), remedy }
        }
        ActionError::Fault(fault) => dashboard::ActionError::Fault(format!("{:#}", anyhow::Error::from(fault))),
        other => dashboard::ActionError::Refused { reason: other.to_string(), remedy: String::new() },
    }
}
