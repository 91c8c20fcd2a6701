//! Executions, their histories, logs and reports.

use std::collections::BTreeMap;

use asl::{Event, TaskId, Timestamp};

use super::super::page::{self, Place};
use super::super::{
    ExecutionFilter, ExecutionId, ExecutionRecord, ExecutionStatus, HistoryQuery, LogLine, Page, Paged, ReportRecord,
    Result,
};
use super::Rows;

impl Rows {
    pub(super) fn list_executions(&self, filter: &ExecutionFilter, page: &Page) -> Result<Paged<ExecutionRecord>> {
        let after = page::place(page)?;
        let place = |record: &ExecutionRecord| Place { at: record.started_at, key: record.id.to_string() };
        let mut found: Vec<_> = self
            .executions
            .values()
            .map(|row| &row.record)
            .filter(|record| filter.state_machine_arn.as_ref().is_none_or(|arn| *arn == record.state_machine_arn))
            .filter(|record| filter.statuses.is_empty() || filter.statuses.contains(&record.status))
            .filter(|record| filter.stopped_since.is_none_or(|since| record.stopped_at.is_some_and(|at| at >= since)))
            .filter(|record| filter.pipeline.is_none() || filter.pipeline == record.pipeline)
            .filter(|record| filter.partition.is_none() || filter.partition == record.partition)
            .filter(|record| !filter.alone || record.pipeline.is_none())
            .filter(|record| after.as_ref().is_none_or(|after| place(record) < *after))
            .collect();
        found.sort_by_key(|record| std::cmp::Reverse(place(record)));
        let items = found.into_iter().take(page::limit(page) + 1).cloned().collect();
        Ok(page::cut(items, page, place))
    }

    pub(super) fn history(&self, execution: ExecutionId, query: &HistoryQuery) -> Vec<Event> {
        let Some(row) = self.executions.get(&execution) else { return Vec::new() };
        let public = row.events.iter().filter_map(|event| Some((event.public?.id, event)));
        let limit = query.limit as usize;
        if query.reverse {
            let before = query.after.unwrap_or(u64::MAX);
            public.rev().filter(|(id, _)| *id < before).take(limit).map(|(_, event)| event.clone()).collect()
        } else {
            let after = query.after.unwrap_or(0);
            public.filter(|(id, _)| *id > after).take(limit).map(|(_, event)| event.clone()).collect()
        }
    }

    pub(super) fn count_executions(&self, since: Timestamp) -> Vec<(ExecutionStatus, u64)> {
        let mut counts = BTreeMap::new();
        for row in self.executions.values() {
            if row.record.stopped_at.is_none_or(|stopped_at| stopped_at >= since) {
                *counts.entry(row.record.status).or_insert(0) += 1;
            }
        }
        counts.into_iter().collect()
    }

    pub(super) fn append_log(&mut self, execution: ExecutionId, task: TaskId, lines: &[LogLine]) {
        let log = self.log.entry(execution).or_default();
        for line in lines {
            let number = log.last().map_or(1, |last| last.number + 1);
            log.push(LogLine { number, task, ..line.clone() });
        }
    }

    pub(super) fn log(&self, execution: ExecutionId, task: Option<TaskId>, after: i64, limit: u32) -> Vec<LogLine> {
        let lines = self.log.get(&execution).into_iter().flatten();
        let wanted = lines.filter(|line| line.number > after && task.is_none_or(|task| task == line.task));
        wanted.take(limit as usize).cloned().collect()
    }

    pub(super) fn reports_of(&self, execution: ExecutionId) -> Vec<ReportRecord> {
        let keys = (execution, TaskId(0))..=(execution, TaskId(u64::MAX));
        let mut reports: Vec<_> = self.reports.range(keys).map(|(_, report)| report.clone()).collect();
        reports.sort_by_key(|report| (report.at, report.task));
        reports
    }
}
