//! Batches of commits.

use asl::Timestamp;

use super::super::admission::{self, Advance, Changes, Facts, Questions, TaskUpdate};
use super::super::{Commit, CommitResult, ExecutionId, NewTask, StateMachineStatus, TaskStatus};
use super::{ExecutionRow, Rows, TaskRow, TimerRow};

impl Rows {
    pub(super) fn commit(&mut self, batch: Vec<Commit>, now: Timestamp) -> Vec<CommitResult> {
        let facts = self.facts(&Questions::of(&batch));
        let (results, changes) = admission::admit(batch, facts);
        self.write(changes, now);
        results
    }

    fn facts(&self, questions: &Questions) -> Facts {
        let executions = questions.executions.iter().filter_map(|id| self.executions.get(id));
        let scheduled = questions.starts.iter().copied();
        let machines = questions.machines.iter().filter_map(|arn| self.machines.get(arn));
        let taken = questions.arns.iter().filter_map(|arn| self.executions.get(self.execution_ids.get(arn)?));
        let ledger = questions.ledger.iter().filter_map(|key| self.ledger.get_key_value(key));
        Facts {
            executions: executions
                .map(|row| (row.record.id, (row.record.last_event_id, row.record.last_public_id)))
                .collect(),
            scheduled: scheduled
                .filter(|key| self.tasks.get(key).is_some_and(|row| row.record.status == TaskStatus::Scheduled))
                .collect(),
            active: machines
                .filter(|machine| machine.status == StateMachineStatus::Active)
                .map(|machine| machine.arn.clone())
                .collect(),
            taken: taken.map(|row| (row.record.arn.clone(), row.record.clone())).collect(),
            tokens: questions
                .held
                .iter()
                .filter_map(|key| Some((*key, self.tasks.get(key)?.record.token.clone()?)))
                .collect(),
            ledger: ledger.map(|(key, row)| (key.clone(), row.clone())).collect(),
        }
    }

    fn write(&mut self, changes: Changes, now: Timestamp) {
        for record in changes.created {
            self.execution_ids.insert(record.arn.clone(), record.id);
            self.executions.insert(record.id, ExecutionRow { record, events: Vec::new(), turn_at: now });
        }
        for advance in changes.advanced {
            self.advance(advance, now);
        }
        for journal in changes.journal {
            let row = self.executions.get_mut(&journal.execution).expect("only held commits have a journal");
            row.events.extend(journal.events);
        }
        for (execution, task) in changes.tasks {
            let row = scheduled(execution, task, now);
            self.tasks.insert((execution, row.record.task), row);
        }
        for (key, TaskUpdate { start, submission, ends_lease }) in changes.task_updates {
            let Some(TaskRow { record, .. }) = self.tasks.get_mut(&key) else { continue };
            if let Some(start) = start {
                *record = record.clone().started(start, now);
            }
            record.submission = submission.or(record.submission.take());
            if ends_lease {
                (record.lease_seconds, record.lease_expires_at) = (None, None);
            }
        }
        for key in changes.tasks_gone {
            self.tasks.remove(&key);
        }
        for (key, due_at) in changes.timers {
            self.timers.insert(key, TimerRow { due_at, visible_at: due_at });
        }
        for key in changes.timers_gone {
            self.timers.remove(&key);
        }
        for ended in changes.ended {
            self.tasks.retain(|(execution, _), _| *execution != ended);
            self.timers.retain(|(execution, _), _| *execution != ended);
        }
        self.ledger.extend(changes.ledger);
        self.tables.extend(changes.tables);
        self.post(&changes.outbox, now);
    }

    fn advance(&mut self, advance: Advance, now: Timestamp) {
        let row = self.executions.get_mut(&advance.execution).expect("the guard has seen this row");
        row.turn_at = now;
        row.record.last_event_id = advance.last_event_id;
        row.record.last_public_id = advance.last_public_id;
        if let Some(end) = advance.end {
            row.record.status = end.status;
            row.record.output = end.output;
            row.record.error = end.error;
            row.record.cause = end.cause;
            row.record.stopped_at = Some(end.stopped_at);
        }
    }
}

fn scheduled(execution: ExecutionId, task: NewTask, now: Timestamp) -> TaskRow {
    TaskRow { record: task.row(execution, now), visible_at: now }
}
