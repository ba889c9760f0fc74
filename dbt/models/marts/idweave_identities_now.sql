-- Who holds each identity now: one row for each identity that anybody holds.
select
    key,
    value,
    canonical_id,
    life,
    first_seen,
    last_seen
from {{ source('idweave', 'identities') }}
where left_at is null and canonical_id is not null
