-- All products: the newest rows, and those of silver that none of them replaces.
select
    product_id, department_id, department, department_standardized, product_name, is_active, bronze_source_file,
    ${now} as processing_timestamp, 'silver' as layer
from newest
union all
select
    product_id, department_id, department, department_standardized, product_name, is_active, bronze_source_file,
    processing_timestamp, layer
from silver_products
where product_id not in (select product_id from newest)
