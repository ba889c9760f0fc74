-- People and events by day (UTC). Events of nobody count as events only.
select
    cast(date_trunc('day', time) as date) as day,
    count(*) as events,
    count(distinct user_id) as users
from {{ ref('idweave_events') }}
group by 1
