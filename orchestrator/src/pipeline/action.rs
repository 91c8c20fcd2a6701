//! Run and stop: what REST and the dashboard's buttons do.

use std::sync::Arc;

use asl::Failure;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::template::{Values, render};
use super::{Day, Pipeline, Registry, days_between, queue};
use crate::engine::{self, Engine, StartError, StartRequest, Started};
use crate::store::{self, ExecutionRecord, Hint, LedgerChange, QueuedRun};

/// What `StopExecution` takes as a cause.
const CAUSE_CHARS_MAX: usize = 32_768;
/// The longest key that is kept apart from others: more is no key but a payload.
const IDEMPOTENCY_KEY_CHARS_MAX: usize = 256;

/// How often a run that may wait is tried; each time its partition became free just then.
const QUEUE_ATTEMPTS_MAX: u32 = 20;

/// Does what people ask for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Actions {
    engine: Engine,
    registry: Registry,
    environment: Arc<str>,
}

/// Which partitions a run is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// One.
    One(String),
    /// All from the first to the second, in whichever order they are given.
    Range(String, String),
}

/// A run that is asked for.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The pipeline's name.
    pub pipeline: String,
    /// Which partitions.
    pub which: Which,
    /// Whether partitions that are in already are made again.
    pub reprocess: bool,
    /// Fields that replace those of the sheet's template.
    pub input: Map<String, Value>,
    /// Whether the run waits if another one makes the partition; for one partition only.
    pub queue: bool,
    /// Asking again with the same key is the same run.
    pub idempotency_key: Option<String>,
    /// Who asks: `rest`, `dashboard`, `schedule`.
    pub trigger: String,
}

/// A run that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAnswer {
    /// Its execution; one that is to be, while it waits.
    pub execution_arn: String,
    /// When it started; `None` while it waits.
    pub started_at: Option<asl::Timestamp>,
    /// `false` when it had been asked for before.
    pub fresh: bool,
    /// What it is about, ascending.
    pub partitions: Vec<String>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// No such pipeline.
    #[error("there is no pipeline `{name}`; there are: {known}")]
    UnknownPipeline {
        /// The name asked for.
        name: String,
        /// Those that exist.
        known: String,
    },
    /// No such execution.
    #[error("there is no execution `{0}`")]
    UnknownExecution(String),
    /// A field that cannot be meant.
    #[error("`{field}` {problem}; {remedy}")]
    Invalid {
        /// The field of the request.
        field: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A partition is being made by another run.
    #[error("`{partition}` of `{pipeline}` is being made by `{execution_arn}`; wait for it, or stop it first")]
    Busy {
        /// The pipeline.
        pipeline: String,
        /// The partition.
        partition: String,
        /// The run that makes it.
        execution_arn: String,
    },
    /// A partition that was busy and free in turns while this was asked.
    #[error("`{partition}` of `{pipeline}` changes hands all the time; try again in a moment")]
    Unsettled {
        /// The pipeline.
        pipeline: String,
        /// The partition.
        partition: String,
    },
    /// The idempotency key was used for something else.
    #[error("the idempotency key was used for another request, which started `{0}`; use a new key for a new request")]
    KeyReused(String),
    /// The state machine is gone or going.
    #[error("the state machine of `{0}` does not exist any more; put its file back, or remove the sheet")]
    MachineGone(String),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] engine::Error),
}

impl From<store::Error> for ActionError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl ActionError {
    fn invalid(field: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Invalid { field: field.to_owned(), problem: problem.into(), remedy: remedy.into() }
    }
}

impl Actions {
    /// Actions on the pipelines of `registry`, in `environment` (`dev`, `staging`, `prod`).
    pub fn new(engine: Engine, registry: Registry, environment: &str) -> Self {
        Self { engine, registry, environment: environment.into() }
    }

    /// Runs a pipeline for one partition: the execution's ARN.
    pub async fn run(&self, pipeline: &str, ds: &str, reprocess: bool, trigger: &str) -> Result<String, ActionError> {
        let request = RunRequest {
            pipeline: pipeline.to_owned(),
            which: Which::One(ds.to_owned()),
            reprocess,
            input: Map::new(),
            queue: false,
            idempotency_key: None,
            trigger: trigger.to_owned(),
        };
        Ok(self.start(request).await?.execution_arn)
    }

    /// Starts a run. A partition that another run is making is refused, or the run waits for it if asked to.
    pub async fn start(&self, request: RunRequest) -> Result<RunAnswer, ActionError> {
        let pipeline = self.registry.get(&request.pipeline).ok_or_else(|| ActionError::UnknownPipeline {
            name: request.pipeline.clone(),
            known: self.registry.all().iter().map(|known| known.name.clone()).collect::<Vec<_>>().join(", "),
        })?;
        let partitions = partitions(&pipeline, &request.which)?;
        let input = self.input(&pipeline, &request)?;
        let text = input.to_string();
        let bytes_max = self.engine.config().limits.payload_bytes_max;
        if text.len() > bytes_max {
            let problem = format!("makes an input of {} bytes, the limit is {bytes_max}", text.len());
            return Err(ActionError::invalid("input", problem, "pass large data by reference, as a path in the lake"));
        }
        if request.queue && partitions.len() != 1 {
            let problem = "is true for a range";
            return Err(ActionError::invalid("queue", problem, "queue a run of one `ds`, or one for each day"));
        }
        let start = StartRequest {
            id: None,
            state_machine_arn: pipeline.state_machine_arn.clone(),
            name: Some(execution_name(&request, &partitions)?),
            input: text,
            input_value: input,
            trace_header: None,
            trigger: request.trigger.clone(),
            exclusive: true,
        };
        for _ in 0..QUEUE_ATTEMPTS_MAX {
            match self.start_or_refuse(&pipeline, &start).await {
                Ok(started) => {
                    return Ok(RunAnswer {
                        execution_arn: started.arn,
                        started_at: Some(started.started_at),
                        fresh: started.fresh,
                        partitions,
                    });
                }
                Err(ActionError::Busy { .. }) if request.queue => {
                    if let Some((execution_arn, fresh)) = self.queue(&pipeline, &partitions[0], &start).await? {
                        return Ok(RunAnswer { execution_arn, started_at: None, fresh, partitions });
                    }
                    // The one in flight has ended meanwhile.
                }
                Err(error) => return Err(error),
            }
        }
        Err(ActionError::Unsettled { pipeline: pipeline.name.clone(), partition: partitions[0].clone() })
    }

    async fn start_or_refuse(&self, pipeline: &Pipeline, start: &StartRequest) -> Result<Started, ActionError> {
        match self.engine.start(start.clone()).await {
            Ok(started) => Ok(started),
            Err(StartError::AlreadyExists(existing)) if existing.input == start.input => {
                Ok(Started { id: existing.id, arn: existing.arn, started_at: existing.started_at, fresh: false })
            }
            Err(StartError::AlreadyExists(existing)) => Err(ActionError::KeyReused(existing.arn)),
            Err(StartError::PartitionBusy(row)) => Err(ActionError::Busy {
                pipeline: row.pipeline,
                partition: row.partition,
                execution_arn: row.execution_arn,
            }),
            Err(StartError::MachineGone | StartError::MachineDeleting) => {
                Err(ActionError::MachineGone(pipeline.name.clone()))
            }
            Err(StartError::Fault(fault)) => Err(fault.into()),
        }
    }

    /// Lets a run wait for the one that makes its partition: the ARN of the run that waits, and whether it is this one.
    /// `None` if the partition is free.
    async fn queue(
        &self,
        pipeline: &Pipeline,
        partition: &str,
        start: &StartRequest,
    ) -> Result<Option<(String, bool)>, ActionError> {
        let name = start.name.clone().unwrap_or_default();
        let (execution, execution_arn) = match self.engine.promise(&start.state_machine_arn, &name).await {
            Ok(promised) => promised,
            Err(StartError::Fault(fault)) => return Err(fault.into()),
            Err(_) => return Err(ActionError::MachineGone(pipeline.name.clone())),
        };
        let run = QueuedRun {
            execution,
            execution_arn,
            name,
            state_machine_arn: start.state_machine_arn.clone(),
            input: start.input.clone(),
            trigger: start.trigger.clone(),
            requested_at: self.engine.now(),
        };
        let (store, name) = (self.engine.store(), &pipeline.name);
        let change =
            LedgerChange::Queue { pipeline: name.clone(), partition: partition.to_owned(), run: Box::new(run) };
        store.change_ledger(&[change]).await?;
        let row = store.ledger(name, partition, partition).await?.pop();
        let waiting = row.and_then(|row| row.queued);
        if waiting.is_some() {
            self.engine.announce(Hint::Page);
        }
        Ok(waiting.map(|waiting| (waiting.execution_arn, waiting.execution == execution)))
    }

    /// Stops an execution; `false` if it had ended. A run that waits does not wait any more.
    pub async fn stop(&self, execution_arn: &str, reason: Option<&str>) -> Result<bool, ActionError> {
        let store = self.engine.store();
        if store.execution(execution_arn).await?.is_none()
            && let Some(row) = queue::find(&**store, execution_arn).await?
        {
            queue::cancel(&self.engine, &row).await?;
            // Its turn may have come at this moment: then it is an execution by now, and stopped like one.
            if store.execution(execution_arn).await?.is_none() {
                return Ok(true);
            }
        }
        let record = self.find(execution_arn).await?;
        let cause: String = reason.unwrap_or("stopped by hand").chars().take(CAUSE_CHARS_MAX).collect();
        let failure = Failure { error: Some("Stopped".to_owned()), cause: Some(cause) };
        Ok(self.engine.stop(record.id, failure).await?)
    }

    async fn find(&self, execution_arn: &str) -> Result<ExecutionRecord, ActionError> {
        let found = self.engine.store().execution(execution_arn).await?;
        found.ok_or_else(|| ActionError::UnknownExecution(execution_arn.to_owned()))
    }

    /// The input: the sheet's template with the request's fields over it.
    fn input(&self, pipeline: &Pipeline, request: &RunRequest) -> Result<Value, ActionError> {
        let rule = &pipeline.sheet.partition;
        let first = match &request.which {
            Which::One(partition) | Which::Range(partition, _) => partition,
        };
        let none = json!({});
        let values = Values {
            partition: (&rule.key, first),
            reprocess: request.reprocess,
            environment: &self.environment,
            env: pipeline.sheet.env.get(&*self.environment).unwrap_or(&none),
        };
        let rendered = render(&pipeline.sheet.input, &values).map_err(|name| {
            let problem =
                format!("of the sheet refers to `${{{name}}}`, which environment `{}` does not have", self.environment);
            ActionError::invalid(
                "input",
                problem,
                format!("add it to [env.{}], or start the server with another --env", self.environment),
            )
        })?;
        let Value::Object(mut input) = rendered else { return Ok(rendered) };
        if let Which::Range(start, end) = &request.which {
            input.remove(&rule.key);
            input.insert("date_range".to_owned(), json!({ "start": start, "end": end }));
        }
        for (field, value) in &request.input {
            if [rule.key.as_str(), "date_range", "manifest_keys", "reprocess"].contains(&field.as_str()) {
                let problem = format!("holds `{field}`, which is decided by the request itself");
                return Err(ActionError::invalid("input", problem, "give it beside `input`, or use StartExecution"));
            }
            input.insert(field.clone(), value.clone());
        }
        Ok(Value::Object(input))
    }
}

/// The partitions asked for, ascending.
fn partitions(pipeline: &Pipeline, which: &Which) -> Result<Vec<String>, ActionError> {
    let rule = &pipeline.sheet.partition;
    let day = |field: &str, text: &str| {
        Day::parse(text).ok_or_else(|| {
            ActionError::invalid(field, format!("is `{text}`"), "give a real date as YYYY-MM-DD, such as 2024-12-07")
        })
    };
    match which {
        Which::One(text) => Ok(vec![day("ds", text)?.to_string()]),
        Which::Range(start, end) => {
            let (start, end) = (day("date_range.start", start)?, day("date_range.end", end)?);
            let days_max = rule.range_days_max as usize;
            let days: Vec<String> = days_between(start, end).take(days_max + 1).map(|day| day.to_string()).collect();
            if days.len() > days_max {
                let problem = format!("is longer than {days_max} days");
                return Err(ActionError::invalid("date_range", problem, "split it into several runs"));
            }
            Ok(days)
        }
    }
}

/// With a key the name follows from it, so that a repeated request finds its run; without one every run is new.
fn execution_name(request: &RunRequest, partitions: &[String]) -> Result<String, ActionError> {
    let days = match partitions {
        [first, .., last] => format!("{first}-{last}"),
        [only] => only.clone(),
        [] => String::new(),
    };
    let tail = match &request.idempotency_key {
        Some(key) if key.is_empty() || key.chars().count() > IDEMPOTENCY_KEY_CHARS_MAX => {
            let problem = format!("has {} characters", key.chars().count());
            return Err(ActionError::invalid(
                "Idempotency-Key",
                problem,
                format!("give 1 to {IDEMPOTENCY_KEY_CHARS_MAX}, such as a UUID"),
            ));
        }
        // The days are not part of the name then: the same key for other days must be found out.
        Some(key) => return Ok(format!("key-{}", &hex::encode(Sha256::digest(key))[..32])),
        None => Uuid::new_v4().simple().to_string(),
    };
    Ok(format!("{days}-{}", &tail[..12]))
}
