-- Orders there are: in silver, or about to be. Silver's jobs run side by side, so bronze is looked at, too.
select cast(order_id as string) as order_id from silver_orders where order_id is not null
union
select order_id from typed_orders where validation_errors = ''
