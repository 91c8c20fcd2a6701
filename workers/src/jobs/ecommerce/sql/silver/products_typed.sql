-- Bronze products with their types, and the rules each row breaks; a value that is there and cannot be read is one.
select
    t.product_id,
    t.department_id,
    t.department,
    t.department_standardized,
    t.product_name,
    t.is_active,
    t.corrupt_record,
    t.row_number,
    t.bronze_source_file,
    t.ingested_at,
    concat_ws(
        ',',
        case when corrupt_record is not null then 'malformed_row' end,
        case when given_id is null then 'null_product_id' end,
        case when given_id is not null and product_id is null then 'unreadable_product_id' end,
        case when given_department is not null and department_id is null then 'unreadable_department_id' end,
        case when is_active is null then 'unreadable_is_active' end
    ) as validation_errors
from (
    select
        try_cast(regexp_replace(product_id, '\.0+$', '') as int) as product_id,
        try_cast(regexp_replace(department_id, '\.0+$', '') as int) as department_id,
        department,
        case
            when lower(department) in ('book', 'books') then 'Books'
            when lower(department) in ('sport', 'sports') then 'Sports'
            when lower(department) in ('toy', 'toys') then 'Toys'
            when lower(department) in ('home', 'household') then 'Home'
            when lower(department) in ('cloth', 'clothes', 'clothing', 'apparel') then 'Clothing'
            when lower(department) in ('electronic', 'electronics', 'tech') then 'Electronics'
            when lower(department) = 'food' or lower(department) like 'grocer%' then 'Food'
            else department
        end as department_standardized,
        product_name,
        case
            when is_active is null or lower(is_active) in ('1', '1.0', 'true', 't', 'yes', 'y') then true
            when lower(is_active) in ('0', '0.0', 'false', 'f', 'no', 'n') then false
        end as is_active,
        product_id as given_id,
        department_id as given_department,
        corrupt_record,
        row_number,
        bronze_source_file,
        processing_timestamp as ingested_at
    from bronze_products
) as t
