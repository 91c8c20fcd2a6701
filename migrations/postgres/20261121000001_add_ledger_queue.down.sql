drop index ledger_queued;
alter table ledger drop column queued;
alter table ledger drop column earlier;
