-- A name is a user's own, or leads to another: never both.
select redirects.old_id
from {{ source('idweave', 'redirects') }} as redirects
inner join {{ source('idweave', 'users') }} as users
    on redirects.old_id = users.canonical_id
