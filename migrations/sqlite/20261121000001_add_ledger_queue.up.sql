-- JSON of what the row said before its run began, while that may still count: it does if the run finds it in place.
alter table ledger add column earlier text;
-- JSON of the run that waits for this one's end.
alter table ledger add column queued text;

-- queued_runs
create index ledger_queued on ledger (pipeline, partition) where queued is not null;
