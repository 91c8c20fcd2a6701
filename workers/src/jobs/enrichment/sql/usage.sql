select product_id, event_date, avg(usage_cost_ratio) as average_usage_cost_ratio
from latest
where product_id is not null
group by product_id, event_date
