-- mart_accelerator_utilization_daily: how much of each fleet was held, worked and achieved, per UTC day.
-- grain:  usage_date, chip, instance_type, cluster
-- column: usage_date | UTC day
-- column: chip | chip
-- column: instance_type | EC2 instance type, '' where unknown
-- column: cluster | cluster, '-' where unknown
-- column: allocated_ratio | held over observed device time, 0-1
-- column: busy_ratio | execution over the observed device time whose execution is known, 0-1; NULL where unknown
-- column: achieved_ratio | tensor activity over the time it is known, 0-1; NULL where unknown
-- column: device_hours | device-hours of capacity paid for (or observed, where no bill covers them)
-- column: observed_device_hours | device-hours covered by samples
-- column: observed_ratio | observed over capacity, 0-1
-- check:  fail | allocated_ratio is null or allocated_ratio between 0 and 1 | a ratio is between 0 and 1
-- check:  fail | busy_ratio is null or busy_ratio between 0 and 1 | a ratio is between 0 and 1
-- check:  fail | observed_ratio between 0 and 1 | a ratio is between 0 and 1
-- check:  warn | observed_ratio > 0.5 | half of this fleet's time is without telemetry: its money is unattributed
-- window: usage_date

with usage as (
    select
        f.usage_hour_at,
        f.instance_id,
        a.chip,
        a.instance_type,
        a.cluster,
        a.device_id,
        h.slice_count,
        h.device_slice_count,
        cast(cast(f.allocated_seconds as decimal(28, 9)) * 1000000000 as bigint) as allocated_ns,
        h.busy_ns,
        h.busy_observed_ms * 1000000 as busy_observed_ns,
        h.device_observed_ms,
        h.achieved_ns,
        h.achieved_observed_ms * 1000000 as achieved_observed_ns,
    from fct_accelerator_usage_hourly as f
    join int_accelerators as a using (accelerator_id, instance_id)
    join int_accelerator_hours as h using (usage_hour_at, accelerator_id, instance_id)
    where
        f.usage_hour_at >= $start_at
        and f.usage_hour_at < $end_at
        and h.usage_hour_at >= $start_at
        and h.usage_hour_at < $end_at
),

devices as (
    select
        usage_hour_at,
        instance_id,
        chip,
        instance_type,
        cluster,
        device_id,
        max(device_observed_ms) * 1000000 as observed_ns,
        sum(allocated_ns * slice_count // device_slice_count) as allocated_ns,
        sum(busy_ns * slice_count // device_slice_count) as busy_ns,
        sum(busy_observed_ns * slice_count // device_slice_count) as busy_observed_ns,
        sum(achieved_ns * slice_count // device_slice_count) as achieved_ns,
        sum(achieved_observed_ns * slice_count // device_slice_count) as achieved_observed_ns,
    from usage
    group by usage_hour_at, instance_id, chip, instance_type, cluster, device_id
),

paid as (
    select
        usage_hour_at,
        instance_id,
        chip,
        instance_type,
        cluster,
        capacity_ns,
    from int_instance_hours
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

-- what was paid for names all its devices, however each names itself
instances as (
    select
        usage_hour_at,
        instance_id,
        coalesce(p.chip, d.chip) as chip,
        coalesce(p.instance_type, d.instance_type) as instance_type,
        coalesce(p.cluster, d.cluster) as cluster,
        coalesce(any_value(p.capacity_ns), 0) as capacity_ns,
        sum(d.observed_ns) as observed_ns,
        sum(d.allocated_ns) as allocated_ns,
        sum(d.busy_ns) as busy_ns,
        sum(d.busy_observed_ns) as busy_observed_ns,
        sum(d.achieved_ns) as achieved_ns,
        sum(d.achieved_observed_ns) as achieved_observed_ns,
    from devices as d
    full join paid as p using (usage_hour_at, instance_id)
    group by
        usage_hour_at,
        instance_id,
        coalesce(p.chip, d.chip),
        coalesce(p.instance_type, d.instance_type),
        coalesce(p.cluster, d.cluster)
),

hours as (
    select
        cast(usage_hour_at as date) as usage_date,
        chip,
        instance_type,
        cluster,
        greatest(capacity_ns, coalesce(observed_ns, 0)) as capacity_ns,
        observed_ns,
        least(allocated_ns, observed_ns) as allocated_ns,
        busy_ns,
        busy_observed_ns,
        achieved_ns,
        achieved_observed_ns,
    from instances
)

select
    usage_date,
    chip,
    instance_type,
    cluster,
    cast(sum(allocated_ns) / nullif(sum(observed_ns), 0) as decimal(9, 6)) as allocated_ratio,
    cast(sum(busy_ns) / nullif(sum(busy_observed_ns), 0) as decimal(9, 6)) as busy_ratio,
    cast(sum(achieved_ns) / nullif(sum(achieved_observed_ns), 0) as decimal(9, 6)) as achieved_ratio,
    cast(sum(capacity_ns) / 3600000000000 as decimal(18, 6)) as device_hours,
    cast(coalesce(sum(observed_ns), 0) / 3600000000000 as decimal(18, 6)) as observed_device_hours,
    cast(coalesce(sum(observed_ns), 0) / nullif(sum(capacity_ns), 0) as decimal(9, 6)) as observed_ratio,
from hours
group by usage_date, chip, instance_type, cluster
