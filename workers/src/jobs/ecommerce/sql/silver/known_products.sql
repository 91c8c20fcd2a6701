-- Products there are: in silver, or about to be.
select cast(product_id as int) as product_id from silver_products where product_id is not null
union
select product_id from typed_products where validation_errors = ''
