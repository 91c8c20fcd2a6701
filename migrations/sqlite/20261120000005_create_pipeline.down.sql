drop table ledger;
drop table pipeline;
