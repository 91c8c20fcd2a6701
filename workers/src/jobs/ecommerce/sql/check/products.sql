-- Items of the window whose product nobody knows, and products that are there twice.
select
    (
        select count(*)
        from item_scope as i
        left join (select distinct product_id from products) as p on p.product_id = i.product_id
        where i.order_no is not null and p.product_id is null
    ) as unknown_products,
    (select count(*) - sw_distinct(product_id) from products) as products_without_own_key
