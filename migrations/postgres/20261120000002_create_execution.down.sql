drop table journal;
drop table execution;
