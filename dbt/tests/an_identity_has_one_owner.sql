-- Law L3: an identity has at most one owner.
select
    key,
    value
from {{ ref('idweave_identities_now') }}
group by key, value
having count(*) > 1
