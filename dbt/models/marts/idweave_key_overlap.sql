-- Users with each key, and with both of two: the reach of platforms, and their overlap.
with held as (
    select distinct
        canonical_id,
        key
    from {{ ref('idweave_identities_now') }}
)

select
    one.key as key,
    other.key as other_key,
    count(*) as users
from held as one
inner join held as other
    on one.canonical_id = other.canonical_id
    and one.key <= other.key
group by one.key, other.key
