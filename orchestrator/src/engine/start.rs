//! Starting and stopping executions.

use std::sync::Arc;

use asl::execution::{Failure, Identity};
use asl::{Stimulus, Timestamp};
use metrics::counter;
use serde_json::Value;

use super::cache::{Cached, Machine};
use super::draft::Draft;
use super::error::{Error, StartError};
use super::patience::Patience;
use super::turn::{Change, Effect, Summary};
use super::{Engine, Inner};
use crate::store::{
    self, CommitResult, ExecutionId, ExecutionRecord, ExecutionStatus, NewExecution, StateMachineStatus,
    StateMachineType,
};

/// Who is to be started.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// The execution's key, if it was promised to somebody by [`Engine::promise`]; a new one without.
    pub id: Option<ExecutionId>,
    /// The machine, unqualified.
    pub state_machine_arn: String,
    /// The execution's name; a UUID without one.
    pub name: Option<String>,
    /// The input's text.
    pub input: String,
    /// The input, parsed.
    pub input_value: Value,
    /// `traceHeader`.
    pub trace_header: Option<String>,
    /// Who asks: `api`, `rest`, `dashboard`, `nested`, `system`.
    pub trigger: String,
    /// Refuse if a partition of this run is being made by another.
    pub exclusive: bool,
}

/// A started execution.
#[derive(Clone, Debug)]
pub struct Started {
    /// Its key.
    pub id: ExecutionId,
    /// Its ARN.
    pub arn: String,
    /// When it started.
    pub started_at: Timestamp,
    /// `false` when it was running already under this name with this input.
    pub fresh: bool,
}

impl Engine {
    /// Starts an execution. Its first task is visible once this returns.
    ///
    /// Asking again with the same name and input while it runs gives the same execution.
    pub async fn start(&self, request: StartRequest) -> Result<Started, StartError> {
        let engine = self.clone();
        // A start goes on if its caller goes away: the commit may already be on its way.
        tokio::spawn(async move { engine.start_now(request).await })
            .await
            .map_err(|_| StartError::Fault(Error::ShuttingDown))?
    }

    /// The key and the ARN that an execution of this name will have, for a run that starts later.
    pub async fn promise(&self, state_machine_arn: &str, name: &str) -> Result<(ExecutionId, String), StartError> {
        let inner = &self.0;
        let machine = inner.machines.current(&*inner.store, state_machine_arn).await?;
        let machine = machine.ok_or(StartError::MachineGone)?;
        let id = inner.chance.execution_id(inner.clock.now());
        Ok((id, inner.execution_arn(&machine, name, id)))
    }

    async fn start_now(&self, request: StartRequest) -> Result<Started, StartError> {
        let inner = &self.0;
        let id = request.id.unwrap_or_else(|| inner.chance.execution_id(inner.clock.now()));
        let mut patience = Patience::new(inner.config.patience);
        let (draft, machine) = loop {
            match inner.first_draft(id, &request).await {
                Err(StartError::Fault(Error::Store(
                    error @ (store::Error::Unavailable { .. } | store::Error::Open(_)),
                ))) => patience.wait(Error::Store(error)).await?,
                settled => break settled?,
            }
        };
        let (commit, execution, goes_on, handovers) = draft.into_parts();
        let summary = Summary::of(&commit);
        let new = commit.create.as_ref().expect("the draft of a start creates an execution");
        let record = Arc::new(new.record.clone());
        // The place is held over the commit, so that a fast worker's report finds the execution known.
        let slot = inner.executions.slot(id);
        let mut cached = slot.lock().await;
        let result = inner.commit_surely(commit, &mut patience).await;
        if !matches!(result, Ok(CommitResult::Committed)) || summary.ended.is_some() {
            inner.executions.remove(id);
        }
        match result {
            Ok(CommitResult::Committed) => {
                counter!("stepwell_executions_started_total").increment(1);
                let (arn, started_at) = (record.arn.clone(), record.started_at);
                if let (Some(execution), None) = (execution, summary.ended) {
                    *cached = Some(Cached { execution, record, machine });
                }
                drop(cached);
                self.hand_out(id, &summary, goes_on, handovers);
                Ok(Started { id, arn, started_at, fresh: true })
            }
            Ok(CommitResult::NameTaken(taken)) => {
                if taken.status == ExecutionStatus::Running && taken.input == request.input {
                    return Ok(Started { id: taken.id, arn: taken.arn, started_at: taken.started_at, fresh: false });
                }
                Err(StartError::AlreadyExists(taken))
            }
            Ok(CommitResult::PartitionBusy(row)) => Err(StartError::PartitionBusy(row)),
            Ok(CommitResult::MachineGone) => {
                inner.machines.forget(&request.state_machine_arn);
                Err(StartError::MachineGone)
            }
            Ok(CommitResult::Stale) => Err(StartError::Fault(Error::Contended(id, 1))),
            Err(error) => {
                self.take_back(handovers);
                Err(StartError::Fault(error))
            }
        }
    }

    /// Stops an execution. `false` if it had ended.
    pub async fn stop(&self, id: ExecutionId, failure: Failure) -> Result<bool, Error> {
        let change = Change { stimuli: vec![Stimulus::Stop { failure }], ..Change::default() };
        Ok(self.turn(id, change).await? == Effect::Committed)
    }
}

impl Inner {
    /// The first commit of a new execution, and the machine it runs on.
    async fn first_draft(&self, id: ExecutionId, request: &StartRequest) -> Result<(Draft, Arc<Machine>), StartError> {
        let current = self.machines.current(&*self.store, &request.state_machine_arn).await?;
        let current = current.ok_or(StartError::MachineGone)?;
        if current.status == StateMachineStatus::Deleting {
            return Err(StartError::MachineDeleting);
        }
        let machine = self.machines.read(&current.revision)?;
        let record = self.new_record(id, request, &current);
        let identity = Identity {
            id: id.as_u128(),
            arn: record.arn.clone(),
            name: record.name.clone(),
            role_arn: current.revision.role_arn.clone(),
            state_machine_arn: current.arn.clone(),
            state_machine_name: current.name.clone(),
            state_machine_version_arn: None,
            state_machine_alias_arn: None,
        };
        let start = Stimulus::Start { identity: Box::new(identity), input: Arc::new(request.input_value.clone()) };
        let new = NewExecution { record, exclusive: request.exclusive };
        Ok((self.draft_start(new, &machine, start).await?, machine))
    }

    fn execution_arn(&self, machine: &store::StateMachineRecord, name: &str, id: ExecutionId) -> String {
        let (region, account) = (&self.config.region, &self.config.account);
        match machine.kind {
            StateMachineType::Standard => {
                format!("arn:aws:states:{region}:{account}:execution:{}:{name}", machine.name)
            }
            StateMachineType::Express => {
                format!("arn:aws:states:{region}:{account}:express:{}:{name}:{id}", machine.name)
            }
        }
    }

    fn new_record(
        &self,
        id: ExecutionId,
        request: &StartRequest,
        machine: &store::StateMachineRecord,
    ) -> ExecutionRecord {
        let name = request.name.clone().unwrap_or_else(|| id.to_string());
        ExecutionRecord {
            id,
            arn: self.execution_arn(machine, &name, id),
            name,
            state_machine_arn: machine.arn.clone(),
            revision: machine.revision.id,
            revision_number: machine.revision.number,
            status: ExecutionStatus::Running,
            input: request.input.clone(),
            output: None,
            error: None,
            cause: None,
            started_at: self.clock.now(),
            stopped_at: None,
            last_event_id: 0,
            last_public_id: 0,
            trace_header: request.trace_header.clone(),
            pipeline: None,
            partition: None,
            trigger: request.trigger.clone(),
        }
    }
}
