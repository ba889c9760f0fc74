-- Every user with what it holds now, key by key.
select
    users.canonical_id,
    users.founded_at,
    users.first_seen,
    users.last_seen,
    users.events,
    users.identities,
    users.former,
    coalesce(held.keys, 0) as keys,
    users.identities = 0 as is_empty
from {{ source('idweave', 'users') }} as users
left join (
    select
        canonical_id,
        count(distinct key) as keys
    from {{ ref('idweave_identities_now') }}
    group by canonical_id
) as held
    on users.canonical_id = held.canonical_id
