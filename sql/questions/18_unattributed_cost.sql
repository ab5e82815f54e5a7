-- unattributed_cost: where is the money that nobody answers for, and what would give most of it an owner?
-- column: reason | no accelerator: a line of another service; not seen: no telemetry in that hour; part not seen: less telemetry
--         than was paid for; owner unknown: seen at work or held, by nobody with a name
-- column: next_step | what would give this money an owner
-- column: unattributed_usd | effective USD
-- column: cumulative_ratio | this row and all above over everything unattributed in the span
-- limit:  the ten largest; money with both causes in one hour is called owner unknown where an unknown owner held anything
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
with seen as (
    select
        usage_hour_at,
        instance_id,
        sum(allocated_seconds - known_allocated_seconds) as nameless_seconds,
    from fct_accelerator_usage_hourly
    where instance_id <> ''
    group by all
),

reasons as (
    select
        c.account_id,
        c.cluster,
        c.instance_type,
        case
            when c.chip = 'other' then 'no accelerator'
            when s.instance_id is null then 'not seen'
            when s.nameless_seconds > 0 then 'owner unknown'
            else 'part not seen'
        end as reason,
        sum(c.effective_cost_usd) as unattributed_usd,
        count(distinct nullif(c.instance_id, '')) as instances,
    from fct_cost_allocated_hourly as c
    left join seen as s on c.usage_hour_at = s.usage_hour_at and c.instance_id = s.instance_id
    where
        c.cost_class = 'unattributed'
        and c.usage_date >= cast($from_date as date) and c.usage_date < cast($to_date as date)
    group by all
),

ranked as (
    select
        *,
        sum(unattributed_usd) over () as whole_usd,
        sum(unattributed_usd)
            over (order by unattributed_usd desc, account_id, cluster, instance_type, reason) as running_usd,
    from reasons
)

select
    account_id,
    cluster,
    instance_type,
    reason,
    case reason
        when 'no accelerator' then 'tag the resource, or leave it here: no chip was held'
        when 'owner unknown' then 'a rule in workloads.toml on a tag of these instances, or pod labels in the exporter'
        else 'an exporter on these instances, or the delivery of its missing hours'
    end as next_step,
    instances,
    unattributed_usd,
    cast(running_usd / nullif(whole_usd, 0) as decimal(18, 6)) as cumulative_ratio,
from ranked
order by unattributed_usd desc, account_id, cluster, instance_type, reason
limit 10
