drop table timer;
drop table task;
