drop function commit_conflict();
drop table timer;
drop table task;
