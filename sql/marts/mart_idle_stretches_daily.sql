-- mart_idle_stretches_daily: unbroken stretches in which a workload held an accelerator and worked less than 5 % of the time, within one UTC day, and what they cost.
-- grain:  usage_date, accelerator_id, instance_id, workload_id, start_at
-- column: usage_date | UTC day
-- column: accelerator_id | accelerator
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: workload_id | workload that held it
-- column: start_at | start of the stretch; midnight where it may go on from the day before
-- column: end_at | end of the stretch; midnight where it may go on into the day after
-- column: held_ns | share-weighted nanoseconds held in the stretch
-- column: busy_ns | share-weighted nanoseconds of execution in the stretch
-- column: device_ns | held nanoseconds of the whole device: a MIG instance counts by its slices
-- column: impact_usd | USD of the held time: from the bill, else at list price; 0 in an hour whose negative lines outweigh its use; NULL where no hour has a price
-- column: price_basis | effective: from the bill; list: some hours at list price; none: some hours without any price
-- column: device_id | physical device
-- column: chip | chip
-- column: instance_type | EC2 instance type, '' where unknown
-- column: account_id | owning account, '' where unknown
-- column: cluster | cluster, '-' where unknown
-- check:  fail | impact_usd is null or impact_usd >= 0 | idleness never earns money
-- check:  fail | epoch_ms(end_at) - epoch_ms(start_at) >= 900000 or epoch_ms(start_at) = epoch_ms(cast(usage_date as timestamptz)) or epoch_ms(end_at) = epoch_ms(cast(usage_date + 1 as timestamptz)) | a stretch under 15 minutes is part of a longer one only across midnight
-- check:  fail | (price_basis = 'none') or impact_usd is not null | what has a price costs something
-- window: usage_date

with pieces as (
    select
        *,
        cast(usage_hour_at as date) as usage_date,
    from int_idle_stretches
    where
        usage_hour_at >= cast($start_at as timestamptz)
        and usage_hour_at < cast($end_at as timestamptz)
        -- a shorter stretch is part of a longer one only across the edge of an hour
        and (
            epoch_ms(end_at) - epoch_ms(start_at) >= 900000
            or start_at = usage_hour_at
            or epoch_ms(end_at) = epoch_ms(usage_hour_at) + 3600000
        )
),

marked as (
    select
        *,
        coalesce(
            start_at <> lag(end_at) over (
                partition by usage_date, accelerator_id, instance_id, workload_id
                order by start_at
            ),
            true
        ) as is_new,
    from pieces
),

numbered as (
    select
        *,
        sum(cast(is_new as integer)) over (
            partition by usage_date, accelerator_id, instance_id, workload_id
            order by start_at
        ) as stretch_number,
    from marked
),

hour_costs as (
    select
        usage_hour_at,
        instance_id,
        sum(effective_cost_usd) as effective_cost_usd,
    from fct_cost_allocated_hourly
    where
        usage_hour_at >= cast($start_at as timestamptz)
        and usage_hour_at < cast($end_at as timestamptz)
        and cost_source in ('cur', 'focus')
        and cost_class in ('workload', 'idle.unallocated', 'unattributed')
        and instance_id <> ''
    group by usage_hour_at, instance_id
),

hour_weights as (
    select
        usage_hour_at,
        instance_id,
        sum(weight_ns) as weight_ns,
    from int_hour_weights
    where usage_hour_at >= cast($start_at as timestamptz) and usage_hour_at < cast($end_at as timestamptz)
    group by usage_hour_at, instance_id
),

placed as (
    select
        n.*,
        n.held_ns * n.slice_count // n.device_slice_count as device_ns,
        a.device_id,
        a.chip,
        a.instance_type,
        a.account_id,
        a.cluster,
        a.list_usd_per_device_hour,
    from numbered as n
    join int_accelerators as a using (accelerator_id, instance_id)
),

priced as (
    select
        p.*,
        case
            when c.effective_cost_usd is not null and w.weight_ns > 0
                then p.device_ns * greatest(c.effective_cost_usd, 0) / w.weight_ns
            else p.device_ns * p.list_usd_per_device_hour / 3600000000000
        end as impact_usd,
        case
            when c.effective_cost_usd is not null and w.weight_ns > 0 then 'effective'
            when p.list_usd_per_device_hour is not null then 'list'
            else 'none'
        end as price_basis,
    from placed as p
    left join hour_costs as c using (usage_hour_at, instance_id)
    left join hour_weights as w using (usage_hour_at, instance_id)
)

select
    usage_date,
    accelerator_id,
    instance_id,
    workload_id,
    min(start_at) as start_at,
    max(end_at) as end_at,
    cast(sum(held_ns) as bigint) as held_ns,
    cast(sum(busy_ns) as bigint) as busy_ns,
    cast(sum(device_ns) as bigint) as device_ns,
    -- rounded per row, so that the order of the rows cannot change a byte
    cast(sum(cast(impact_usd as decimal(38, 10))) as decimal(38, 10)) as impact_usd,
    case
        when bool_or(price_basis = 'none') then 'none'
        when bool_or(price_basis = 'list') then 'list'
        else 'effective'
    end as price_basis,
    any_value(device_id) as device_id,
    any_value(chip) as chip,
    any_value(instance_type) as instance_type,
    any_value(account_id) as account_id,
    any_value(cluster) as cluster,
from priced
group by usage_date, accelerator_id, instance_id, workload_id, stretch_number
having
    epoch_ms(max(end_at)) - epoch_ms(min(start_at)) >= 900000
    or min(start_at) = cast(usage_date as timestamptz)
    or epoch_ms(max(end_at)) = epoch_ms(cast(usage_date + 1 as timestamptz))
