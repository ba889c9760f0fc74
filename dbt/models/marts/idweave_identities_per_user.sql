-- How many users hold how many identities.
select
    identities,
    count(*) as users
from {{ ref('idweave_users') }}
group by identities
