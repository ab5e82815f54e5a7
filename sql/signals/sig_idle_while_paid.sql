-- sig_idle_while_paid: workloads that held accelerators for at least 15 minutes and worked less than 5 % of the time, and what that cost.
-- grain:  rule, subject, start_at
-- column: rule | idle_while_paid
-- column: subject | workload
-- column: severity | critical from 25 USD per hour, warning from 1, else info
-- column: status | open while the idleness reaches the newest telemetry, else closed
-- column: start_at | when the idleness began
-- column: detected_at | when it had lasted 15 minutes
-- column: end_at | when it ended; NULL while open
-- column: last_seen_at | newest instant of idleness
-- column: observed | busy over held time in the episode, 0-1
-- column: expected | busy ratio under which a holder counts as idle
-- column: unit | ratio
-- column: impact_usd | cost of the held time so far
-- column: impact_usd_per_hour | impact per hour of the episode
-- column: price_basis | effective: from the bill; list: some hours at list price; none: some hours without any price
-- column: evidence | JSON: account, cluster, chips, instances, devices, device-hours and a query that shows the samples
-- check:  fail | impact_usd >= 0 | idleness never earns money
-- check:  fail | end_at is null or end_at >= start_at + interval 15 minutes | shorter idleness is no finding

with newest as (
    select
        vendor,
        max(last_seen_at) as newest_at,
    from dim_accelerator
    group by vendor
),

-- only what reaches midnight can go on in the day before or after
marked as (
    select
        *,
        coalesce(
            start_at <> lag(end_at) over (
                partition by accelerator_id, instance_id, workload_id
                order by start_at
            ),
            true
        ) as is_new,
    from mart_idle_stretches_daily
    where epoch_ms(start_at) % 86400000 = 0 or epoch_ms(end_at) % 86400000 = 0
),

numbered as (
    select
        *,
        sum(cast(is_new as integer)) over (
            partition by accelerator_id, instance_id, workload_id
            order by start_at
        ) as run_number,
    from marked
),

runs as (
    select
        * exclude (is_new, run_number),
        min(start_at) over run as run_start_at,
        max(end_at) over run as run_end_at,
    from numbered
    window run as (partition by accelerator_id, instance_id, workload_id, run_number)
    qualify epoch_ms(run_end_at) - epoch_ms(run_start_at) >= 900000
    union all by name
    select
        *,
        start_at as run_start_at,
        end_at as run_end_at,
    from mart_idle_stretches_daily
    where epoch_ms(start_at) % 86400000 <> 0 and epoch_ms(end_at) % 86400000 <> 0
),

starts as (
    select
        workload_id,
        run_start_at,
        max(run_end_at) as run_end_at,
    from runs
    group by workload_id, run_start_at
),

episode_marks as (
    select
        *,
        coalesce(
            run_start_at > max(run_end_at) over (
                partition by workload_id
                order by run_start_at
                rows between unbounded preceding and 1 preceding
            ),
            true
        ) as is_new_episode,
    from starts
),

episodes as (
    select
        workload_id,
        run_start_at,
        sum(cast(is_new_episode as integer)) over (
            partition by workload_id
            order by run_start_at
        ) as episode_number,
    from episode_marks
),

stretches as (
    select
        r.*,
        e.episode_number,
    from runs as r
    join episodes as e using (workload_id, run_start_at)
),

-- the newest sample of each device that still reports
data_ends as (
    select
        h.accelerator_id,
        h.instance_id,
        max(h.last_sample_at) as data_end_at,
    from int_accelerator_hours as h
    join dim_accelerator using (accelerator_id)
    join newest using (vendor)
    where
        h.last_sample_at >= newest.newest_at - interval 15 minutes
        and h.last_sample_at >= (select min(n.newest_at) - interval 15 minutes from newest as n)
    group by h.accelerator_id, h.instance_id
),

impacts as (
    select
        workload_id,
        episode_number,
        coalesce(sum(impact_usd), 0) as impact_usd,
        case
            when bool_or(price_basis = 'none') then 'none'
            when bool_or(price_basis = 'list') then 'list'
            else 'effective'
        end as price_basis,
        sum(busy_ns) as busy_ns,
        sum(held_ns) as held_ns,
        sum(device_ns) as device_ns,
        string_agg(distinct chip, ', ' order by chip) as chips,
        string_agg(distinct instance_type, ', ' order by instance_type) as instance_types,
        string_agg(distinct account_id, ', ' order by account_id) as account_ids,
        min(cluster) as cluster,
        count(distinct instance_id) as instance_count,
        count(distinct device_id) as device_count,
        min(run_start_at) as start_at,
        max(run_end_at) as last_seen_at,
        -- open while the idleness reaches the newest sample of a device that still reports
        coalesce(bool_or(run_end_at >= data_end_at), false) as is_open,
    from stretches
    left join data_ends using (accelerator_id, instance_id)
    group by workload_id, episode_number
),

instance_impacts as (
    select
        workload_id,
        episode_number,
        instance_id,
        cast(sum(impact_usd) as decimal(38, 2)) as impact_usd,
        count(distinct device_id) as devices,
    from stretches
    group by workload_id, episode_number, instance_id
),

contributors as (
    select
        workload_id,
        episode_number,
        list(
            struct_pack(instance := instance_id, devices := devices, impact_usd := impact_usd)
            order by impact_usd desc nulls last, instance_id
        )[1:3] as contributors,
    from instance_impacts
    group by workload_id, episode_number
),

open_or_closed as (
    select
        i.* exclude (episode_number),
        epoch_ms(i.last_seen_at) - epoch_ms(i.start_at) as length_ms,
        c.contributors,
        w.team,
    from impacts as i
    join contributors as c using (workload_id, episode_number)
    join dim_workload as w using (workload_id)
),

rated as (
    select
        *,
        cast(impact_usd * 3600000 / length_ms as decimal(38, 10)) as impact_usd_per_hour,
    from open_or_closed
)

select
    'idle_while_paid' as rule,
    workload_id as subject,
    case
        when impact_usd_per_hour >= 25 then 'critical'
        when impact_usd_per_hour >= 1 then 'warning'
        else 'info'
    end as severity,
    case when is_open then 'open' else 'closed' end as status,
    start_at,
    start_at + interval 15 minutes as detected_at,
    case when not is_open then last_seen_at end as end_at,
    last_seen_at,
    round(busy_ns / nullif(held_ns, 0), 6) as observed,
    cast(0.05 as double) as expected,
    'ratio' as unit,
    cast(impact_usd as decimal(38, 10)) as impact_usd,
    impact_usd_per_hour,
    price_basis,
    cast(
        json_object(
            'team', team,
            'account', account_ids,
            'cluster', cluster,
            'chip', chips,
            'instance_type', instance_types,
            'instance_count', instance_count,
            'device_count', device_count,
            'device_hours', round(device_ns / 3600000000000, 3),
            'contributors', contributors,
            'sql',
            'select * from fct_workload_usage_hourly where workload_id = ''' || replace(workload_id, '''', '''''')
            || ''' and usage_hour_at >= ''' || date_trunc('hour', start_at) || ''' order by usage_hour_at'
        ) as varchar
    ) as evidence,
from rated
