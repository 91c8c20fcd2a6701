create table outbox (
    id text not null,
    channel text not null,
    payload text not null,
    delivery text not null,
    attempts integer not null,
    note text,
    created_at integer not null,
    due_at integer not null,
    constraint outbox_pkey primary key (id),
    constraint delivery_is_known check (delivery in ('PENDING', 'SENT', 'FAILED', 'NOT_CONFIGURED'))
);

-- claim_outbox
create index outbox_due on outbox (due_at, id) where delivery = 'PENDING';
-- outbox
create index outbox_created on outbox (created_at, id);
