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
    from int_idle_stretches
    -- a shorter stretch is part of a longer one only across the edge of an hour
    where
        epoch_ms(end_at) - epoch_ms(start_at) >= 900000
        or start_at = usage_hour_at
        or epoch_ms(end_at) = epoch_ms(usage_hour_at) + 3600000
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
        accelerator_id,
        instance_id,
        workload_id,
        run_number,
        min(start_at) as run_start_at,
        max(end_at) as run_end_at,
    from numbered
    group by accelerator_id, instance_id, workload_id, run_number
    having epoch_ms(max(end_at)) - epoch_ms(min(start_at)) >= 900000
),

episode_marks as (
    select
        *,
        coalesce(
            run_start_at > max(run_end_at) over (
                partition by workload_id
                order by run_start_at, accelerator_id, instance_id
                rows between unbounded preceding and 1 preceding
            ),
            true
        ) as is_new_episode,
    from runs
),

episodes as (
    select
        *,
        sum(cast(is_new_episode as integer)) over (
            partition by workload_id
            order by run_start_at, accelerator_id, instance_id
        ) as episode_number,
    from episode_marks
),

data_ends as (
    select
        h.accelerator_id,
        h.instance_id,
        max(h.last_sample_at) as data_end_at,
        any_value(newest.newest_at) as newest_at,
    from int_accelerator_hours as h
    join dim_accelerator using (accelerator_id)
    join newest using (vendor)
    where (h.accelerator_id, h.instance_id) in (select (e.accelerator_id, e.instance_id) from episodes as e)
    group by h.accelerator_id, h.instance_id
),

stretches as (
    select
        e.workload_id,
        e.episode_number,
        n.usage_hour_at,
        n.accelerator_id,
        n.instance_id,
        n.busy_ns,
        n.held_ns,
        n.held_ns * a.slice_count // a.device_slice_count as device_ns,
        a.chip,
        a.instance_type,
        a.account_id,
        a.cluster,
        a.device_id,
        a.list_usd_per_device_hour,
    from numbered as n
    join episodes as e using (accelerator_id, instance_id, workload_id, run_number)
    join int_accelerators as a using (accelerator_id, instance_id)
),

hour_costs as (
    select
        usage_hour_at,
        instance_id,
        sum(effective_cost_usd) as effective_cost_usd,
    from fct_cost_allocated_hourly
    where
        cost_source in ('cur', 'focus')
        and cost_class in ('workload', 'idle.unallocated', 'unattributed')
        and (usage_hour_at, instance_id) in (select (s.usage_hour_at, s.instance_id) from stretches as s)
        and instance_id <> ''
    group by usage_hour_at, instance_id
),

hour_weights as (
    select
        usage_hour_at,
        instance_id,
        sum(weight_ns) as weight_ns,
    from int_hour_weights
    where (usage_hour_at, instance_id) in (select (s.usage_hour_at, s.instance_id) from stretches as s)
    group by usage_hour_at, instance_id
),

priced as (
    select
        s.*,
        case
            when c.effective_cost_usd is not null and w.weight_ns > 0
                then s.device_ns * c.effective_cost_usd / w.weight_ns
            else s.device_ns * s.list_usd_per_device_hour / 3600000000000
        end as impact_usd,
        case
            when c.effective_cost_usd is not null and w.weight_ns > 0 then 'effective'
            when s.list_usd_per_device_hour is not null then 'list'
            else 'none'
        end as price_basis,
    from stretches as s
    left join hour_costs as c using (usage_hour_at, instance_id)
    left join hour_weights as w using (usage_hour_at, instance_id)
),

-- rounded per row, so that the order of the rows cannot change a byte
impacts as (
    select
        workload_id,
        episode_number,
        coalesce(sum(cast(impact_usd as decimal(38, 10))), 0) as impact_usd,
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
    from priced
    group by workload_id, episode_number
),

instance_impacts as (
    select
        workload_id,
        episode_number,
        instance_id,
        cast(sum(cast(impact_usd as decimal(38, 10))) as decimal(38, 2)) as impact_usd,
        count(distinct device_id) as devices,
    from priced
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

teams as (
    select
        workload_id,
        max(team) as team,
    from int_owner_workloads
    where workload_id in (select e.workload_id from episodes as e)
    group by workload_id
),

spans as (
    select
        workload_id,
        episode_number,
        min(run_start_at) as start_at,
        max(run_end_at) as last_seen_at,
        -- open while the idleness reaches the newest sample of a device that still reports
        coalesce(bool_or(run_end_at >= data_end_at and data_end_at >= newest_at - interval 15 minutes), false) as is_open,
    from episodes
    left join data_ends using (accelerator_id, instance_id)
    group by workload_id, episode_number
),

open_or_closed as (
    select
        s.workload_id,
        s.start_at,
        s.last_seen_at,
        s.is_open,
        epoch_ms(s.last_seen_at) - epoch_ms(s.start_at) as length_ms,
        i.* exclude (workload_id, episode_number),
        c.contributors,
        t.team,
    from spans as s
    join impacts as i using (workload_id, episode_number)
    join contributors as c using (workload_id, episode_number)
    join teams as t using (workload_id)
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
