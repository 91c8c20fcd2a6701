-- The whole new table.
select r.*, ${sources} as silver_source_tables, ${now} as processing_timestamp, 'gold' as layer
from result as r
