-- Every expected column in its gold type. What stands in double braces is replaced by how the column is made from what the
-- files have (compaction/plan.rs): the types of a column differ from writer to writer.
select
    {{transaction_id}} as transaction_id,
    {{store_id}} as store_id,
    {{timestamp}} as timestamp,
    {{item_id}} as item_id,
    {{item_category}} as item_category,
    {{quantity}} as quantity,
    {{unit_price}} as unit_price,
    {{revenue}} as revenue,
    {{payment_method}} as payment_method,
    {{customer_id}} as customer_id,
    {{ingest_run_id}} as ingest_run_id,
    {{source_file}} as source_file,
    {{ingest_ts}} as ingest_ts,
    {{parse_failures}} as parse_failures
from source
