-- A user's counts are those of its rows in the other tables.
select users.canonical_id
from {{ source('idweave', 'users') }} as users
left join (
    select
        canonical_id,
        sum(case when left_at is null then 1 else 0 end) as held,
        sum(case when left_at is null then 0 else 1 end) as former
    from {{ source('idweave', 'identities') }}
    group by canonical_id
) as stays
    on users.canonical_id = stays.canonical_id
left join (
    select
        canonical_id,
        count(*) as events
    from {{ source('idweave', 'events') }}
    group by canonical_id
) as seen
    on users.canonical_id = seen.canonical_id
where
    users.identities <> coalesce(stays.held, 0)
    or users.former <> coalesce(stays.former, 0)
    or users.events <> coalesce(seen.events, 0)
