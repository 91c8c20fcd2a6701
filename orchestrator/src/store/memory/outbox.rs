//! The ledger and the outbox.

use std::time::Duration;

use asl::Timestamp;

use super::super::{Delivery, LedgerChange, LedgerRow, NewOutboxMessage, OutboxMessage, OutboxSettlement, ledger};
use super::{Rows, after};

impl Rows {
    pub(super) fn post(&mut self, messages: &[NewOutboxMessage], now: Timestamp) {
        for message in messages {
            if self.outbox.iter().all(|kept| kept.id != message.id) {
                self.outbox.push(OutboxMessage {
                    id: message.id,
                    channel: message.channel.clone(),
                    payload: message.payload.clone(),
                    delivery: Delivery::Pending,
                    attempts: 0,
                    note: None,
                    created_at: message.created_at,
                    due_at: now,
                });
            }
        }
    }

    pub(super) fn ledger_between(&self, pipeline: &str, from: &str, to: &str) -> Vec<LedgerRow> {
        let rows = self.ledger.values().filter(|row| row.pipeline == pipeline);
        rows.filter(|row| from <= row.partition.as_str() && row.partition.as_str() <= to).cloned().collect()
    }

    pub(super) fn ledger_newest(&self, pipeline: &str, limit: u32) -> Vec<LedgerRow> {
        let newest = self.ledger.values().rev().filter(|row| row.pipeline == pipeline).take(limit as usize);
        let mut rows: Vec<_> = newest.cloned().collect();
        rows.reverse();
        rows
    }

    pub(super) fn change_ledger(&mut self, changes: &[LedgerChange]) {
        for change in changes {
            let key = ledger::key(change);
            if let Some(row) = ledger::apply(self.ledger.get(&key), change) {
                self.ledger.insert(key, row);
            }
        }
    }

    pub(super) fn claim_outbox(&mut self, limit: u32, reserve: Duration, now: Timestamp) -> Vec<OutboxMessage> {
        let mut due: Vec<_> = self
            .outbox
            .iter_mut()
            .filter(|message| message.delivery == Delivery::Pending && message.due_at <= now)
            .collect();
        due.sort_by_key(|message| (message.due_at, message.id));
        due.truncate(limit as usize);
        due.into_iter()
            .map(|message| {
                message.due_at = after(now, reserve);
                message.clone()
            })
            .collect()
    }

    pub(super) fn settle_outbox(&mut self, settlements: &[OutboxSettlement], now: Timestamp) {
        for settlement in settlements {
            let Some(message) = self.outbox.iter_mut().find(|message| message.id == settlement.id) else { continue };
            message.delivery = settlement.delivery;
            message.note = settlement.note.clone();
            message.attempts += 1;
            message.due_at = match settlement.delivery {
                Delivery::Pending => after(now, settlement.retry_after),
                Delivery::Sent | Delivery::Failed | Delivery::NotConfigured => now,
            };
        }
    }

    pub(super) fn newest_outbox(&self, limit: u32) -> Vec<OutboxMessage> {
        let mut messages: Vec<_> = self.outbox.clone();
        messages.sort_by_key(|message| std::cmp::Reverse((message.created_at, message.id)));
        messages.truncate(limit as usize);
        messages
    }
}
