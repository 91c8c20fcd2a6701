//! Tasks, leases and timers.

use std::collections::BTreeMap;
use std::time::Duration;

use asl::{TaskId, TaskToken, TimerId, TimerKind, Timestamp};

use super::super::{DueTimer, ExecutionId, ExecutionStatus, TaskRecord, TaskStatus};
use super::{Rows, after, seconds_after};

impl Rows {
    pub(super) fn claim(
        &mut self,
        queues: &[String],
        limit: u32,
        reserve: Duration,
        now: Timestamp,
    ) -> Vec<TaskRecord> {
        let mut visible: Vec<_> = self
            .tasks
            .values_mut()
            .filter(|row| row.record.status == TaskStatus::Scheduled && row.visible_at <= now)
            .filter(|row| queues.contains(&row.record.queue))
            .collect();
        visible.sort_by_key(|row| (row.visible_at, row.record.execution, row.record.task));
        visible.truncate(limit as usize);
        visible
            .into_iter()
            .map(|row| {
                row.visible_at = after(now, reserve);
                row.record.clone()
            })
            .collect()
    }

    pub(super) fn unclaim(&mut self, tasks: &[(ExecutionId, TaskId)]) {
        for key in tasks {
            if let Some(row) = self.tasks.get_mut(key)
                && row.record.status == TaskStatus::Scheduled
            {
                row.visible_at = row.record.scheduled_at;
            }
        }
    }

    pub(super) fn release(&mut self, execution: ExecutionId, task: TaskId, token: &TaskToken, now: Timestamp) {
        if let Some(row) = self.tasks.get_mut(&(execution, task))
            && row.record.status == TaskStatus::Started
            && row.record.token.as_ref() == Some(token)
        {
            row.record.status = TaskStatus::Scheduled;
            row.record.worker = None;
            row.record.started_at = None;
            row.record.lease_expires_at = None;
            row.visible_at = now;
        }
    }

    pub(super) fn tasks_of(&self, execution: ExecutionId) -> Vec<TaskRecord> {
        let keys = (execution, TaskId(0))..=(execution, TaskId(u64::MAX));
        self.tasks.range(keys).map(|(_, row)| row.record.clone()).collect()
    }

    pub(super) fn heartbeat(
        &mut self,
        execution: ExecutionId,
        task: TaskId,
        token: &TaskToken,
        now: Timestamp,
    ) -> bool {
        let Some(row) = self.tasks.get_mut(&(execution, task)) else { return false };
        if row.record.status != TaskStatus::Started || row.record.token.as_ref() != Some(token) {
            return false;
        }
        row.record.lease_expires_at = row.record.lease_seconds.map(|seconds| seconds_after(now, seconds));
        let timer = TimerId { event: task.0, kind: TimerKind::Heartbeat };
        if let Some(seconds) = row.record.heartbeat_seconds
            && let Some(timer) = self.timers.get_mut(&(execution, timer))
        {
            timer.due_at = seconds_after(now, seconds);
            timer.visible_at = timer.due_at;
        }
        true
    }

    pub(super) fn due_timers(
        &mut self,
        limit: u32,
        reserve: Duration,
        now: Timestamp,
    ) -> (Vec<DueTimer>, Option<Timestamp>) {
        let mut due: Vec<_> = self.timers.iter_mut().filter(|(_, timer)| timer.visible_at <= now).collect();
        due.sort_by_key(|(key, timer)| (timer.visible_at, **key));
        due.truncate(limit as usize);
        let due = due
            .into_iter()
            .map(|((execution, id), timer)| {
                timer.visible_at = after(now, reserve);
                DueTimer { execution: *execution, timer: *id, due_at: timer.due_at }
            })
            .collect();
        (due, self.timers.values().map(|timer| timer.visible_at).min())
    }

    pub(super) fn expired_leases(&mut self, limit: u32, deliveries_max: u32, now: Timestamp) -> Vec<TaskRecord> {
        let mut expired: Vec<_> = self
            .tasks
            .values_mut()
            .filter(|row| row.record.status == TaskStatus::Started)
            .filter(|row| row.record.lease_expires_at.is_some_and(|at| at <= now))
            .collect();
        expired.sort_by_key(|row| (row.record.lease_expires_at, row.record.execution, row.record.task));
        expired.truncate(limit as usize);
        expired
            .into_iter()
            .map(|row| {
                let is_wait = row.record.submission.is_some();
                if is_wait || row.record.redeliveries + 1 < deliveries_max {
                    row.record.status = TaskStatus::Scheduled;
                    row.record.redeliveries += u32::from(!is_wait);
                    row.record.worker = None;
                    row.record.started_at = None;
                    row.record.lease_expires_at = None;
                    row.visible_at = now;
                }
                row.record.clone()
            })
            .collect()
    }

    pub(super) fn backlog(&self) -> Vec<(String, u64, Timestamp)> {
        let mut queues: BTreeMap<&str, (u64, Timestamp)> = BTreeMap::new();
        let waiting = self.tasks.values().map(|row| &row.record).filter(|task| task.status == TaskStatus::Scheduled);
        for task in waiting {
            let (count, oldest) = queues.entry(&task.queue).or_insert((0, task.scheduled_at));
            *count += 1;
            *oldest = task.scheduled_at.min(*oldest);
        }
        queues.into_iter().map(|(queue, (count, oldest))| (queue.to_owned(), count, oldest)).collect()
    }

    pub(super) fn stalled(&self, idle: Duration, limit: u32, now: Timestamp) -> Vec<ExecutionId> {
        let first_task = |id| (id, TaskId(0))..=(id, TaskId(u64::MAX));
        let first = |id, event| (id, TimerId { event, kind: TimerKind::Wait });
        let last = |id, event| (id, TimerId { event, kind: TimerKind::ExecutionTimeout });
        let mut stalled: Vec<_> = self
            .executions
            .values()
            .filter(|row| row.record.status == ExecutionStatus::Running && after(row.turn_at, idle) <= now)
            .filter(|row| self.tasks.range(first_task(row.record.id)).next().is_none())
            .filter(|row| self.timers.range(first(row.record.id, 0)..=last(row.record.id, u64::MAX)).next().is_none())
            .map(|row| (row.turn_at, row.record.id))
            .collect();
        stalled.sort_unstable();
        stalled.into_iter().take(limit as usize).map(|(_, id)| id).collect()
    }
}
