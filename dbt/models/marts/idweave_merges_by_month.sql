-- Users that were founded apart and are one now, by the month in which the one that stayed was founded.
select
    cast(date_trunc('month', users.founded_at) as date) as founded_month,
    count(*) as merged_users
from {{ source('idweave', 'redirects') }} as redirects
inner join {{ source('idweave', 'users') }} as users
    on redirects.canonical_id = users.canonical_id
group by 1
