-- A gold partition, in its order. What stands in double braces is empty without a dimension, or where no
-- number can be lost.
select
    g.transaction_id,
    g.store_id,
    g.timestamp,
    g.item_id,
    g.item_category,
    g.quantity,
    g.unit_price,
    g.revenue,
    g.payment_method,
    g.customer_id,
    g.ingest_run_id,
    g.source_file,
    g.ingest_ts,
    g.row_hash{{dimension_columns}}{{parse_failures}}
from deduplicated g{{dimension_join}}
order by g.transaction_id asc nulls last, g.tie asc nulls last
