-- Events with the user they belong to, by the attribution that the project chose.
select
    events.*,
    {% if var('idweave_attribution') == 'latest' -%}
    latest_id as user_id
    {%- elif var('idweave_attribution') == 'as_seen' -%}
    canonical_id as user_id
    {%- else -%}
    {{ exceptions.raise_compiler_error("idweave_attribution is as_seen or latest") }}
    {%- endif %}
from {{ source('idweave', 'events') }} as events
