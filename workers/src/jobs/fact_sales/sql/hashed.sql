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
        -- None of the parts is null: concat_ws would leave it out.
        md5(concat_ws(
            '||',
            coalesce(n.store_id, ''),
            coalesce(sw_text_ts(n.timestamp), ''),
            coalesce(n.item_id, ''),
            coalesce(n.item_category, ''),
            coalesce(cast(n.quantity as string), ''),
            coalesce(sw_text_f64(n.unit_price), ''),
            coalesce(sw_text_f64(n.revenue), ''),
            coalesce(n.payment_method, ''),
            coalesce(n.customer_id, '')
        )) as row_hash
    from normalised n
) h
