-- A slowly changing dimension of type 2: a version ends where it says so or where the key's next one begins, whichever is
-- first, so that at no instant a key has two.
select
    ordered.*,
    case
        when ordered.next_from is null then ordered.said_until
        when ordered.said_until is null or ordered.next_from < ordered.said_until then ordered.next_from
        else ordered.said_until
    end as valid_until
from (
    select
        ranked.*,
        lead(ranked.valid_from) over (
            partition by ranked.dimension_key
            order by ranked.valid_from asc nulls first
        ) as next_from
    from (
        select
            {{key}} as dimension_key,
            {{valid_from}} as valid_from,
            {{valid_to}} as said_until,
            row_number() over (partition by {{key}}, {{valid_from}} order by {{order}}) as version{{columns}}
        from dimension d
        where {{key}} is not null
    ) ranked
    where ranked.version = 1
) ordered
