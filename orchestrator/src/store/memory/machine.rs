//! State machines and activities.

use std::collections::BTreeSet;

use super::super::page::{self, Place};
use super::super::{
    ActivityRecord, Error, ExecutionStatus, Page, Paged, Result, StateMachineRecord, StateMachineStatus,
};
use super::Rows;

impl Rows {
    pub(super) fn create_state_machine(&mut self, machine: &StateMachineRecord) -> Result<()> {
        self.purge_deleted();
        if self.machines.contains_key(&machine.arn) {
            return Err(Error::Exists(machine.arn.clone()));
        }
        self.revisions.insert(machine.revision.id, machine.revision.clone());
        self.machines.insert(machine.arn.clone(), machine.clone());
        Ok(())
    }

    pub(super) fn update_state_machine(&mut self, machine: &StateMachineRecord) -> Result<()> {
        self.purge_deleted();
        let kept = self.machines.get_mut(&machine.arn).ok_or_else(|| Error::Missing(machine.arn.clone()))?;
        if kept.revision.number + 1 != machine.revision.number {
            return Err(Error::Superseded(machine.arn.clone()));
        }
        let revision = self.revisions.entry(machine.revision.id).or_insert_with(|| machine.revision.clone());
        kept.revision = revision.clone();
        kept.tags = machine.tags.clone();
        Ok(())
    }

    pub(super) fn list_state_machines(&mut self, page: &Page) -> Result<Paged<StateMachineRecord>> {
        let active = self.machines.values().filter(|machine| machine.status == StateMachineStatus::Active);
        in_order(active, page, |machine| Place { at: machine.created_at, key: machine.arn.clone() })
    }

    pub(super) fn delete_state_machine(&mut self, arn: &str) -> bool {
        self.purge_deleted();
        let Some(machine) = self.machines.get_mut(arn) else { return false };
        machine.status = StateMachineStatus::Deleting;
        self.purge_deleted();
        true
    }

    pub(super) fn list_activities(&self, page: &Page) -> Result<Paged<ActivityRecord>> {
        in_order(self.activities.values(), page, |activity| Place {
            at: activity.created_at,
            key: activity.arn.clone(),
        })
    }

    /// Machines that are being deleted go with their last execution; their revisions stay for the histories.
    pub(super) fn purge_deleted(&mut self) {
        if self.machines.values().all(|machine| machine.status == StateMachineStatus::Active) {
            return;
        }
        let running = self.executions.values().filter(|row| row.record.status == ExecutionStatus::Running);
        let busy: BTreeSet<&str> = running.map(|row| row.record.state_machine_arn.as_str()).collect();
        self.machines
            .retain(|arn, machine| machine.status == StateMachineStatus::Active || busy.contains(arn.as_str()));
    }
}

fn in_order<'a, T: Clone + 'a>(
    items: impl Iterator<Item = &'a T>,
    page: &Page,
    place: impl Fn(&T) -> Place,
) -> Result<Paged<T>> {
    let after = page::place(page)?;
    let mut found: Vec<_> = items.filter(|item| after.as_ref().is_none_or(|after| place(item) > *after)).collect();
    found.sort_by_key(|item| place(item));
    let items = found.into_iter().take(page::limit(page) + 1).cloned().collect();
    Ok(page::cut(items, page, place))
}
