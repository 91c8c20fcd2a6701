//! The engine's hooks: ledger rows, alerts and catalog tables go into an execution's own first and last commit, so that
//! they are true exactly when it is.

use serde_json::Value;

use super::{PartitionRule, Registry, partition};
use crate::alert::{self, Alert};
use crate::engine::{EndEffects, Ending, Hooks, StartEffects};
use crate::integration;
use crate::store::{ExecutionRecord, ExecutionStatus, LedgerChange, Outcome};

/// A reason is read in a table: more is in the execution.
const REASON_CHARS_MAX: usize = 1_000;

/// Keeps the ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    registry: Registry,
    alerts: alert::Settings,
}

impl Ledger {
    /// Hooks that look pipelines up in `registry`.
    pub fn new(registry: Registry, alerts: alert::Settings) -> Self {
        Self { registry, alerts }
    }

    /// What a partition is for this run.
    fn rule(&self, pipeline: &str) -> PartitionRule {
        self.registry.get(pipeline).map(|pipeline| pipeline.sheet.partition.clone()).unwrap_or_default()
    }
}

impl Hooks for Ledger {
    fn starting(&self, record: &mut ExecutionRecord) -> StartEffects {
        let Some(pipeline) = self.registry.of_machine(&record.state_machine_arn) else {
            return StartEffects::default();
        };
        // The engine was given a parsed input; a text that does not parse cannot get here, and would name no partition.
        let input: Value = serde_json::from_str(&record.input).unwrap_or_default();
        let partitions = partition::of_input(&pipeline.sheet.partition, &input);
        record.pipeline = Some(pipeline.name.clone());
        record.partition = if let [only] = partitions.as_slice() { Some(only.clone()) } else { None };
        let begin = |partition: String| LedgerChange::Begin {
            pipeline: pipeline.name.clone(),
            partition,
            execution: record.id,
            execution_arn: record.arn.clone(),
            at: record.started_at,
        };
        StartEffects { ledger: partitions.into_iter().map(begin).collect() }
    }

    fn ending(&self, ending: &Ending<'_>) -> EndEffects {
        let mut effects = EndEffects {
            tables: integration::crawled_tables(ending),
            outbox: alert::execution_metrics(&self.alerts, ending).into_iter().collect(),
            ledger: Vec::new(),
        };
        let Some(pipeline) = &ending.record.pipeline else { return effects };
        let rule = self.rule(pipeline);
        let input: Value = serde_json::from_str(&ending.record.input).unwrap_or_default();
        let partitions = partition::of_input(&rule, &input);
        effects.ledger = settle(pipeline, &rule, &partitions, ending);
        let monitored = self.registry.get(pipeline).is_none_or(|pipeline| pipeline.sheet.monitored);
        if ending.end.status != ExecutionStatus::Succeeded && monitored && !alert::has_notified(ending) {
            let topic = self.registry.get(pipeline).map(|pipeline| pipeline.sheet.topic.clone());
            effects.outbox.push(Alert::of(ending, pipeline, &partitions).message(&self.alerts, topic.as_deref()));
        }
        effects
    }
}

/// The end of every partition that the run began.
fn settle(pipeline: &str, rule: &PartitionRule, partitions: &[String], ending: &Ending<'_>) -> Vec<LedgerChange> {
    let change = |partition: &String, (outcome, reason): (Outcome, Option<String>)| LedgerChange::Settle {
        pipeline: pipeline.to_owned(),
        partition: partition.clone(),
        execution: ending.record.id,
        outcome,
        in_place: partition::is_in_place(outcome, reason.as_deref()),
        reason: reason.map(|reason| reason.chars().take(REASON_CHARS_MAX).collect()),
        at: ending.end.stopped_at,
    };
    if ending.end.status == ExecutionStatus::Succeeded {
        let output: Value =
            ending.end.output.as_deref().and_then(|output| serde_json::from_str(output).ok()).unwrap_or_default();
        return partitions.iter().map(|name| change(name, partition::of_output(rule, &output, name))).collect();
    }
    let finished = partition::of_open_maps(rule, ending.execution);
    let in_progress = partition::in_progress(rule, ending.execution);
    let why = why(ending);
    let settled = |name: &String| {
        if let Some((_, settled)) = finished.iter().find(|(partition, _)| partition == name) {
            return settled.clone();
        }
        // Without an iteration in progress the run failed before or after its days: that is every day's failure.
        let waited = !in_progress.is_empty() && !in_progress.contains(name);
        let reason = if waited { format!("NOT_RUN: the run ended before its turn ({why})") } else { why.clone() };
        (Outcome::Failed, Some(reason))
    };
    partitions.iter().map(|name| change(name, settled(name))).collect()
}

/// `CODE: message` of a run that did not succeed.
pub(crate) fn why(ending: &Ending<'_>) -> String {
    let (error, cause) = (ending.end.error.as_deref(), ending.end.cause.as_deref());
    let code = match ending.end.status {
        ExecutionStatus::TimedOut => "TIMEOUT",
        ExecutionStatus::Aborted => "ABORTED",
        _ => error.unwrap_or("FAILED"),
    };
    let said = match ending.end.status {
        ExecutionStatus::TimedOut => cause.unwrap_or("the execution ran past its TimeoutSeconds"),
        ExecutionStatus::Aborted => cause.or(error).unwrap_or("the execution was stopped"),
        _ => cause.unwrap_or("no cause was given"),
    };
    let said = words_of(said);
    // A job's own code says more than `States.TaskFailed` does.
    let own = said.split_once(':').is_some_and(|(head, _)| {
        head.contains('_') && head.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    });
    if own || said.starts_with(code) { said } else { format!("{code}: {said}") }
}

/// What a person reads in a cause: the message in the JSON that job runs, functions and child executions leave, else the
/// text itself.
fn words_of(cause: &str) -> String {
    let Ok(Value::Object(json)) = serde_json::from_str(cause) else { return cause.to_owned() };
    let found = ["ErrorMessage", "errorMessage", "Cause", "message"].iter().find_map(|name| json.get(*name)?.as_str());
    found.map_or_else(|| cause.to_owned(), |inner| if inner == cause { inner.to_owned() } else { words_of(inner) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::words_of;

    #[test]
    fn reasons_are_words_whoever_wrote_the_cause() {
        let glue = json!({ "JobRunState": "FAILED", "ErrorMessage": "DQ_FAILED: 12 %" }).to_string();
        let child = json!({ "Error": "States.TaskFailed", "Cause": glue }).to_string();
        for (cause, words) in
            [(glue.as_str(), "DQ_FAILED: 12 %"), (&child, "DQ_FAILED: 12 %"), ("plain", "plain"), ("{}", "{}")]
        {
            assert_eq!(words_of(cause), words);
        }
    }
}
