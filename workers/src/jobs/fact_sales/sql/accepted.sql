-- The accepted rows of one sales file, each once, filed by date, in the order of the file.
select
    once.transaction_id,
    once.store_id,
    once.timestamp,
    once.item_id,
    once.item_category,
    once.quantity,
    once.unit_price,
    once.revenue,
    once.payment_method,
    once.customer_id,
    ${run_id} as ingest_run_id,
    ${source_file} as source_file,
    ${ingested_at} as ingest_ts,
    once.sold_on
from (
    select
        accepted.*,
        row_number() over (partition by accepted.row_digest order by accepted.line_number) as copy_number
    from accepted
) once
where once.copy_number = 1
order by once.sold_on, once.line_number
