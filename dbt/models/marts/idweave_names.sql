-- Every name that a user ever had, and whose it is now: join what older reports used with this.
select
    canonical_id as name,
    canonical_id
from {{ source('idweave', 'users') }}
union all
select
    old_id as name,
    canonical_id
from {{ source('idweave', 'redirects') }}
