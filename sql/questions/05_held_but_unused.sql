-- held_but_unused: which instances cost most while somebody held their chips without working on them?
-- column: held_hours | hours in which a workload held a chip of the instance and its execution is known
-- column: unused_cost_usd | effective USD of the workload's hour times the part of the held time that did not execute
-- column: held_cost_usd | effective USD of the same hours
-- column: utilization_ratio | time that executed over held time, both of those hours
-- limit:  only hours below the utilization asked for; hours whose execution is unknown are left out, not taken as idle
-- param:  below_ratio = 0.3 | an hour counts when its utilization is below this
-- param:  min_hours = 3 | an instance counts with more such hours than this
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
with used as (
    select
        u.usage_hour_at,
        u.instance_id,
        u.workload_id,
        -- a MIG instance by its slices
        sum(cast(cast(u.busy_seconds as decimal(28, 9)) * a.device_share_ratio as decimal(24, 9))) as busy_seconds,
        sum(cast(cast(u.busy_held_seconds as decimal(28, 9)) * a.device_share_ratio as decimal(24, 9))) as known_seconds,
    from fct_workload_usage_hourly as u
    inner join dim_accelerator as a on u.accelerator_id = a.accelerator_id
    where u.instance_id <> ''
    group by all
),

paid as (
    select
        usage_hour_at,
        instance_id,
        instance_type,
        workload_id,
        sum(effective_cost_usd) as cost_usd,
    from fct_cost_allocated_hourly
    where
        cost_class = 'workload' and instance_id <> ''
        and usage_date >= cast($from_date as date) and usage_date < cast($to_date as date)
    group by all
)

select
    p.instance_id,
    p.instance_type,
    string_agg(distinct p.workload_id, ', ' order by p.workload_id) as workloads,
    count(distinct p.usage_hour_at) as held_hours,
    sum(cast(
        p.cost_usd * (1 - cast(u.busy_seconds / u.known_seconds as decimal(18, 10))) as decimal(38, 10)
    )) as unused_cost_usd,
    sum(p.cost_usd) as held_cost_usd,
    cast(sum(u.busy_seconds) / nullif(sum(u.known_seconds), 0) as decimal(18, 6)) as utilization_ratio,
from paid as p
inner join used as u
    on p.usage_hour_at = u.usage_hour_at and p.instance_id = u.instance_id and p.workload_id = u.workload_id
where u.known_seconds > 0 and u.busy_seconds < cast($below_ratio as decimal(18, 6)) * u.known_seconds
group by p.instance_id, p.instance_type
having count(distinct p.usage_hour_at) > cast($min_hours as integer)
order by unused_cost_usd desc, p.instance_id
limit 20
