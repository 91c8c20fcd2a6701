-- Bronze products with their types, and the rules each row breaks.
select
    t.*,
    concat_ws(
        ',',
        case when corrupt_record is not null then 'malformed_row' end,
        case when product_id is null then 'null_product_id' end
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
        coalesce(lower(is_active) in ('1', 'true', 't', 'yes'), true) as is_active,
        corrupt_record,
        row_number,
        bronze_source_file,
        processing_timestamp as ingested_at
    from bronze_products
) as t
