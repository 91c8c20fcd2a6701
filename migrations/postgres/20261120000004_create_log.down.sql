drop table report;
drop table log_line;
