select (select count(*) from stored) as rows_before, (select count(*) from result) as rows_after
