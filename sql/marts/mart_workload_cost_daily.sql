-- mart_workload_cost_daily: what each workload cost on each chip, per UTC day.
-- grain:  usage_date, workload_id, chip, cost_status
-- column: usage_date | UTC day
-- column: workload_id | workload
-- column: chip | chip it held
-- column: cost_status | billed: from a billing delivery; estimated: hours that no bill covers yet; a day may have both, which add up
-- column: effective_cost_usd | USD after discounts, commitments and upfront fees spread over use
-- column: billed_cost_usd | USD as invoiced
-- column: device_hours | device-hours held, a MIG instance by its slices; NULL where only vCPUs and memory were asked for, or no telemetry can see them
-- column: is_seen | telemetry can see it: false for SageMaker, Bedrock and what else is known from the bill alone
-- column: busy_device_hours | device-hours of execution; NULL where unknown
-- column: known_device_hours | the part of device_hours whose execution is known: utilization_ratio is busy over it
-- column: allocated_unused_cost_usd | effective cost times the part of the held time that did not work; NULL where unknown
-- column: utilization_ratio | busy over held, 0-1; NULL where unknown
-- column: cost_per_busy_device_hour_usd | effective cost over busy device-hours, unknown time counted at the known ratio; NULL where nothing was busy or known
-- check:  warn | effective_cost_usd >= 0 | negative lines of instances outweigh their use on this day: money back that the bill does not call a credit
-- check:  fail | utilization_ratio is null or utilization_ratio between 0 and 1 | a ratio is between 0 and 1
-- check:  warn | query: select * from mart_workload_cost_daily where device_hours is null and is_seen and usage_date >= cast($start_at as date) and usage_date < cast($end_at as date) and (usage_date, workload_id) not in (select (cast(usage_hour_at as date), workload_id) from int_request_weights where usage_hour_at >= $start_at and usage_hour_at < $end_at) | money without held hours or a request: telemetry was withdrawn after the allocation
-- window: usage_date

with line_workloads as (
    select cost_line_id
    from int_line_workloads
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

costs as (
    select
        usage_date,
        workload_id,
        chip,
        cost_status,
        sum(effective_cost_usd) as effective_cost_usd,
        sum(billed_cost_usd) as billed_cost_usd,
        bool_or(l.cost_line_id is null) as is_seen,
    from fct_cost_allocated_hourly
    left join line_workloads as l using (cost_line_id)
    where
        cost_class = 'workload'
        and usage_date >= cast($start_at as date)
        and usage_date < cast($end_at as date)
    group by usage_date, workload_id, chip, cost_status
),

unbilled as (
    select
        usage_hour_at,
        instance_id,
        price_source,
    from int_hour_estimates
    where not is_covered and usage_hour_at >= $start_at and usage_hour_at < $end_at
),

paid_hours as (
    select
        w.usage_hour_at,
        w.instance_id,
        w.workload_id,
        any_value(w.chip) as chip,
        case when bool_or(u.instance_id is null) then 'billed' else 'estimated' end as cost_status,
    from int_hour_weights as w
    left join unbilled as u using (usage_hour_at, instance_id)
    where
        w.cost_class = 'workload'
        and w.usage_hour_at >= $start_at
        and w.usage_hour_at < $end_at
        -- an hour without bill and price costs nothing that is known
        and u.price_source is distinct from 'none'
    group by w.usage_hour_at, w.instance_id, w.workload_id
),

held as (
    select
        cast(f.usage_hour_at as date) as usage_date,
        f.workload_id,
        p.chip,
        p.cost_status,
        f.slice_count,
        f.device_slice_count,
        sum(f.held_seconds) as held_seconds,
        sum(f.busy_seconds) as busy_seconds,
        sum(f.busy_held_seconds) as busy_held_seconds,
    from fct_workload_usage_hourly as f
    join paid_hours as p using (usage_hour_at, instance_id, workload_id)
    where f.usage_hour_at >= $start_at and f.usage_hour_at < $end_at
    group by
        cast(f.usage_hour_at as date), f.workload_id, p.chip, p.cost_status, f.slice_count, f.device_slice_count
),

-- whole nanoseconds of whole devices
usage as (
    select
        usage_date,
        workload_id,
        chip,
        cost_status,
        sum(cast(held_seconds * 1000000000 as hugeint) * slice_count // device_slice_count) as held_ns,
        sum(cast(busy_seconds * 1000000000 as hugeint) * slice_count // device_slice_count) as busy_ns,
        sum(cast(busy_held_seconds * 1000000000 as hugeint) * slice_count // device_slice_count) as busy_held_ns,
    from held
    group by usage_date, workload_id, chip, cost_status
),

measured as (
    select
        costs.*,
        cast(cast(usage.held_ns as decimal(28, 0)) * 0.000000001 / 3600 as decimal(18, 6)) as device_hours,
        cast(cast(usage.busy_ns as decimal(28, 0)) * 0.000000001 / 3600 as decimal(18, 6)) as busy_device_hours,
        cast(cast(usage.busy_held_ns as decimal(28, 0)) * 0.000000001 / 3600 as decimal(18, 6)) as known_device_hours,
        usage.held_ns,
        usage.busy_ns,
        usage.busy_held_ns,
    from costs
    left join usage using (usage_date, workload_id, chip, cost_status)
)

select
    usage_date,
    workload_id,
    chip,
    cost_status,
    cast(effective_cost_usd as decimal(38, 10)) as effective_cost_usd,
    cast(billed_cost_usd as decimal(38, 10)) as billed_cost_usd,
    device_hours,
    is_seen,
    busy_device_hours,
    known_device_hours,
    -- from the exact sums, not from the rounded figures beside them
    -- in whole units, as a double would move a large amount
    cast(
        cast(
            sign(effective_cost_usd) * (
                (2 * abs(cast(effective_cost_usd * 10000000000 as hugeint)) * (busy_held_ns - busy_ns) + busy_held_ns)
                // nullif(2 * busy_held_ns, 0)
            ) as decimal(28, 0)
        ) * 0.0000000001 as decimal(38, 10)
    ) as allocated_unused_cost_usd,
    cast(busy_ns / nullif(busy_held_ns, 0) as decimal(9, 6)) as utilization_ratio,
    cast(effective_cost_usd * 3600000000000 / nullif(held_ns * (busy_ns / nullif(busy_held_ns, 0)), 0) as decimal(38, 10))
        as cost_per_busy_device_hour_usd,
from measured
