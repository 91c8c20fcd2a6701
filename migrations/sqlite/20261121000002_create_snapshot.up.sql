-- An execution as it stood after an event, so that the events up to there need not be replayed. True for ever, and never
-- needed: it may be missing, old, or of a version that nobody reads any more.
create table snapshot (
    execution_id text not null,
    event_id integer not null,
    public_id integer not null,
    state text not null,
    -- load_recent
    constraint snapshot_pkey primary key (execution_id)
);
