-- One row per transaction and date: the latest, of equals the greatest in column order. Rows without an id are nobody's
-- duplicates.
select ${columns}
from (
    select *, row_number() over (
        partition by event_date, transaction_id
        order by event_time desc nulls last, ${order}) as place
    from source
    where bad_reason is null
) ranked
where place = 1 or transaction_id is null
