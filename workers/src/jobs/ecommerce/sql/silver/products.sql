-- All products: the newest rows, and those of silver that none of them replaces.
select
    product_id, department_id, department, department_standardized, product_name, is_active, bronze_source_file,
    ${now} as processing_timestamp, 'silver' as layer
from newest
union all
select
    product_id, department_id, department, department_standardized, product_name, is_active, bronze_source_file,
    processing_timestamp, layer
from silver_products as s
where not exists (select n.product_id from newest as n where n.product_id = s.product_id)
order by product_id
