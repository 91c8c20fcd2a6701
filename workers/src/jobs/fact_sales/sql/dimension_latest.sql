-- A dimension with one row per key: of several, the one that is greatest by its columns.
select ranked.*
from (
    select
        {{key}} as dimension_key,
        row_number() over (partition by {{key}} order by {{order}}) as version{{columns}}
    from dimension d
    where {{key}} is not null
) ranked
where ranked.version = 1
