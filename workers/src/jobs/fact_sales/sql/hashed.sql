-- A digest of what was sold; rows that say the same have the same. `tie` tells rows without a transaction id apart.
select
    h.*,
    case when h.transaction_id is null then
        h.row_hash
        || '||' || coalesce(h.source_file, '')
        || '||' || coalesce(h.ingest_run_id, '')
        || '||' || coalesce(sw_text_ts(h.ingest_ts), '')
    end as tie
from (
    select
        n.*,
        sw_row_hash(
            n.store_id,
            sw_text_ts(n.timestamp),
            n.item_id,
            n.item_category,
            cast(n.quantity as string),
            sw_text_f64(n.unit_price),
            sw_text_f64(n.revenue),
            n.payment_method,
            n.customer_id
        ) as row_hash
    from normalised n
) h
