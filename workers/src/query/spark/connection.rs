//! A session on a Spark Connect server: opened, asked, ended.
//!
//! A session lives as long as someone holds its [`Connection`]. When the last one lets go, or the job's process is told to
//! stop ([`end_sessions`]), what still runs in it is interrupted, what it cached is given back, and the session is released.
//! Of a process that is killed the server finds out by itself: its time limit for sessions that nobody uses.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::task::Poll;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use parking_lot::Mutex;
use spark_connect_core::{ChannelBuilder, RetryPolicy, SparkConnectClient};
use spark_connect_proto::command::CommandType;
use spark_connect_proto::config_request::operation::OpType as ConfigType;
use spark_connect_proto::config_request::{Operation, Set};
use spark_connect_proto::execute_plan_response::ResponseType;
use spark_connect_proto::plan::OpType;
use spark_connect_proto::relation::RelType;
use spark_connect_proto::{
    Command, ConfigRequest, CreateDataFrameViewCommand, ExecutePlanRequest, KeyValue, Plan, Relation, Sql, SqlCommand,
    UserContext,
};
use tokio_util::task::TaskTracker;

use super::batches::{Batches, decode};
use super::failure::Failure;
use super::translate;
use crate::job::{Code, JobError};
use crate::query::RemoteError;

/// What makes a session understand our statements as DataFusion does.
const SETTINGS: [(&str, &str); 5] = [
    ("spark.sql.session.timeZone", "UTC"),
    // What cannot be computed is null.
    ("spark.sql.ansi.enabled", "false"),
    // `${x}` in a text is text.
    ("spark.sql.variable.substitute", "false"),
    // All instants are of one type.
    ("spark.sql.parquet.inferTimestampNTZ.enabled", "false"),
    ("spark.sql.timestampType", "TIMESTAMP_LTZ"),
];

/// For ending all sessions of a process; a worker gives a stopped job three seconds (`--kill-grace-seconds`).
const END_MAX: Duration = Duration::from_secs(2);

/// Sessions that may have to be ended when the process is told to stop.
static OPEN: LazyLock<Mutex<Vec<Weak<Connection>>>> = LazyLock::new(Mutex::default);
/// Sessions on their way to the end.
static ENDING: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);

/// A session that is ended when it is let go.
pub(super) struct Connection(Arc<Session>);

/// A session on a server.
pub(super) struct Session {
    client: SparkConnectClient,
    /// `host:port`, for messages; never the whole address, which may hold a token.
    pub endpoint: String,
    /// Whether it is Apache Spark or something built on it, which differ from others in how files are named and in the cache.
    pub is_spark: bool,
    kept: Mutex<Vec<String>>,
    /// Operations whose end was not seen.
    running: Arc<AtomicUsize>,
    ended: AtomicBool,
}

/// Parses an address.
pub(super) fn parse(remote: &str) -> Result<ChannelBuilder, RemoteError> {
    ChannelBuilder::parse(remote).map_err(|_| RemoteError::Address)
}

impl Connection {
    /// Opens a session.
    ///
    /// # Errors
    /// `SPARK_UNAVAILABLE` if the server does not answer, `PRE_VALIDATION_FAILED` if the address is none or the token is
    /// refused.
    pub async fn open(remote: &str) -> Result<Arc<Connection>, JobError> {
        let mut builder = parse(remote)?;
        if builder.get("user_agent").is_none() {
            builder.set("user_agent", "stepwell");
        }
        let endpoint = builder.endpoint();
        let mut client = SparkConnectClient::connect(&builder)
            .await
            .map_err(|error| JobError::arguments(format!("Spark at {endpoint}: {}", error.message())))?;
        client.set_retry_policy(RetryPolicy {
            max_retries: Some(3),
            initial_backoff_ms: 200,
            max_backoff_ms: Some(1_000),
            ..RetryPolicy::default()
        });
        let mut session = Session {
            client,
            endpoint,
            is_spark: true,
            kept: Mutex::default(),
            running: Arc::default(),
            ended: AtomicBool::new(false),
        };
        session.configure().await?;
        session.is_spark = session.version().await?;
        let connection = Arc::new(Connection(Arc::new(session)));
        let mut open = OPEN.lock();
        open.retain(|other| other.strong_count() > 0);
        open.push(Arc::downgrade(&connection));
        Ok(connection)
    }
}

impl std::ops::Deref for Connection {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let session = self.0.clone();
        ENDING.spawn_on(async move { session.end().await }, &runtime);
    }
}

impl Session {
    async fn configure(&self) -> Result<(), Failure> {
        let pair = |(key, value): (&str, &str)| KeyValue { key: key.to_owned(), value: Some(value.to_owned()) };
        let set = Set { pairs: SETTINGS.map(pair).to_vec(), ..Set::default() };
        let request = ConfigRequest {
            session_id: self.client.session_id().to_owned(),
            user_context: Some(self.user()),
            operation: Some(Operation { op_type: Some(ConfigType::Set(set)) }),
            ..ConfigRequest::default()
        };
        let set = self.client.config(request).await;
        set.map(drop).map_err(|error| Failure::of(&self.endpoint, "opening a session", &error))
    }

    /// Whether the server says a version as Apache Spark does: a number and the commit it was built from.
    async fn version(&self) -> Result<bool, Failure> {
        let mut answer = self.execute("the question for its version", sql("select version() as version")).await?;
        let mut version = String::new();
        while let Some(batch) = answer.next().await {
            use deltalake::arrow::array::AsArray;
            let batch = batch?;
            let texts = batch.column_by_name("version").and_then(|column| column.as_string_opt::<i32>());
            version = texts.into_iter().flatten().flatten().next().map_or(version, str::to_owned);
        }
        tracing::info!("Connected to Spark at {}, version {version}", self.endpoint);
        Ok(version.split_once(' ').is_some_and(|(_, commit)| commit.len() >= 7))
    }

    /// Runs a relation; the rows come as they are asked for. `what` is for messages.
    ///
    /// # Errors
    /// What the server says; later failures come out of the rows.
    pub async fn execute(&self, what: &str, relation: Relation) -> Result<Batches, Failure> {
        self.run(what, OpType::Root(relation)).await
    }

    /// Names a relation for the session.
    ///
    /// # Errors
    /// What the server says of it.
    pub async fn create_view(&self, name: &str, what: &str, relation: Relation) -> Result<(), Failure> {
        let view = CreateDataFrameViewCommand {
            input: Some(relation),
            name: name.to_owned(),
            is_global: false,
            replace: true,
        };
        self.command(what, CommandType::CreateDataframeView(view)).await
    }

    /// Computes a view now and keeps its rows on the server, in memory and on its disks.
    ///
    /// # Errors
    /// What the server says.
    pub async fn cache(&self, view: &str, what: &str) -> Result<(), Failure> {
        self.kept.lock().push(view.to_owned());
        self.statement(what, format!("cache table {}", translate::name(view))).await
    }

    /// Gives back what was kept under a name, if anything was.
    ///
    /// # Errors
    /// What the server says.
    pub async fn uncache(&self, view: &str) -> Result<(), Failure> {
        let was = {
            let mut kept = self.kept.lock();
            let before = kept.len();
            kept.retain(|name| name != view);
            before != kept.len()
        };
        if was {
            let text = format!("uncache table if exists {}", translate::name(view));
            self.statement("giving a result back", text).await
        } else {
            Ok(())
        }
    }

    async fn statement(&self, what: &str, text: String) -> Result<(), Failure> {
        let command = SqlCommand { input: Some(sql(&text)), ..SqlCommand::default() };
        self.command(what, CommandType::SqlCommand(command)).await
    }

    async fn command(&self, what: &str, command: CommandType) -> Result<(), Failure> {
        let command = Command { command_type: Some(command) };
        let mut answer = self.run(what, OpType::Command(command)).await?;
        while let Some(batch) = answer.next().await {
            batch?;
        }
        Ok(())
    }

    /// The answer is complete when the stream ends well: it is not one that the server may cut and have taken up again.
    async fn run(&self, what: &str, plan: OpType) -> Result<Batches, Failure> {
        let request = ExecutePlanRequest {
            session_id: self.client.session_id().to_owned(),
            user_context: Some(self.user()),
            plan: Some(Plan { op_type: Some(plan) }),
            client_type: Some("stepwell".to_owned()),
            ..ExecutePlanRequest::default()
        };
        let running = self.running.clone();
        running.fetch_add(1, Ordering::Relaxed);
        let answer = match self.client.execute_plan(request).await {
            Ok(answer) => answer,
            Err(error) => {
                running.fetch_sub(1, Ordering::Relaxed);
                return Err(Failure::of(&self.endpoint, what, &error));
            }
        };
        let (endpoint, what) = (self.endpoint.clone(), what.to_owned());
        let messages = answer.flat_map(move |message| {
            let batches = match message {
                Err(status) => {
                    let error = spark_connect_core::SparkError::from_grpc_status(status);
                    vec![Err(Failure::of(&endpoint, &what, &error))]
                }
                Ok(message) => match message.response_type {
                    Some(ResponseType::ArrowBatch(batch)) => match decode(batch.data) {
                        Ok(batches) => batches.into_iter().map(Ok).collect(),
                        Err(error) => {
                            let message =
                                format!("Spark at {endpoint} gave rows of {what} that cannot be read: {error}");
                            vec![Err(Failure { code: Code::UnexpectedError, message })]
                        }
                    },
                    _ => Vec::new(),
                },
            };
            stream::iter(batches)
        });
        // Only who reads to the end knows that the operation is over.
        let end = stream::poll_fn(move |_| {
            running.fetch_sub(1, Ordering::Relaxed);
            Poll::Ready(None)
        });
        Ok(messages.chain(end.fuse()).boxed())
    }

    fn user(&self) -> UserContext {
        UserContext { user_id: self.client.user_id().unwrap_or_default().to_owned(), ..UserContext::default() }
    }

    /// Ends the session, once. Whatever cannot be done here the server does itself when it forgets the session.
    async fn end(&self) {
        if self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let endpoint = &self.endpoint;
        if self.running.load(Ordering::Relaxed) > 0 {
            match self.client.interrupt_all().await {
                Ok(ids) => tracing::info!("Interrupted {} operation(s) on Spark at {endpoint}", ids.len()),
                Err(error) => tracing::warn!("Cannot interrupt what runs on Spark at {endpoint}: {}", error.message()),
            }
        }
        let kept = self.kept.lock().clone();
        for view in kept {
            if let Err(failure) = self.uncache(&view).await {
                tracing::warn!("`{view}` stays in the cache of Spark: {failure}");
            }
        }
        if let Err(error) = self.client.release_session().await {
            tracing::debug!("Cannot release the session on Spark at {endpoint}: {}", error.message());
        }
    }
}

/// Ends all sessions of this process, within `END_MAX`.
pub(in crate::query) async fn end_sessions() {
    let open: Vec<Arc<Connection>> = OPEN.lock().drain(..).filter_map(|connection| connection.upgrade()).collect();
    let ending = async {
        futures::future::join_all(open.iter().map(|connection| connection.end())).await;
        ENDING.close();
        ENDING.wait().await;
    };
    if tokio::time::timeout(END_MAX, ending).await.is_err() {
        tracing::warn!("Spark does not answer: its session ends by the server's own time limit");
    }
}

/// A statement as a relation.
pub(super) fn sql(text: &str) -> Relation {
    let sql = Sql { query: text.to_owned(), ..Sql::default() };
    Relation { rel_type: Some(RelType::Sql(sql)), ..Relation::default() }
}
