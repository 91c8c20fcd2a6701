select
    (select count(*) from stored) as rows_before,
    (select count(*) from result) + (select count(*) from stored where not (date between ${from} and ${to})) as rows_after
