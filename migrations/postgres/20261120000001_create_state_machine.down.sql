drop table activity;
drop table revision;
drop table state_machine;
