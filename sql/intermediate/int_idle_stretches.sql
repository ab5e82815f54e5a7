-- int_idle_stretches: unbroken stretches in which a workload held an accelerator and worked less than 5 % of the time, within one UTC hour.
-- grain:  usage_hour_at, accelerator_id, instance_id, workload_id, start_at
-- column: usage_hour_at | UTC hour
-- column: accelerator_id | accelerator
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: workload_id | workload that held it
-- column: start_at | start of the stretch
-- column: end_at | end of the stretch
-- column: held_ns | share-weighted nanoseconds held in the stretch
-- column: busy_ns | share-weighted nanoseconds of execution in the stretch
-- check:  fail | end_at > start_at | a stretch has a length
-- window: usage_hour_at
-- lookback: 2 hours

with samples as not materialized (
    select
        usage_hour_at,
        accelerator_id,
        instance_id,
        source,
        instance_key,
        device_key,
        sample_at,
        start_at,
        covered_ms,
        owner_id,
        held_units,
        busy_ppm,
        owner_busy_units,
    from int_accelerator_samples
    where
        sample_at >= $start_at
        and sample_at < $end_at + interval 3 hours
        and usage_hour_at >= $start_at
        and usage_hour_at < $end_at
        and held_units > 0
        and (owner_id is null or owner_busy_units < 50000 * held_units)
),

held as (
    select
        usage_hour_at,
        accelerator_id,
        instance_id,
        owner_id,
        start_at,
        covered_ms,
        held_units as share_units,
        owner_busy_units,
    from samples
    where owner_id is not null
    union all
    select
        s.usage_hour_at,
        s.accelerator_id,
        s.instance_id,
        h.owner_id,
        s.start_at,
        s.covered_ms,
        h.share_units,
        coalesce(h.owner_busy_units, s.busy_ppm * h.share_units) as owner_busy_units,
    from samples as s
    join int_shared_holdings as h using (source, instance_key, device_key, sample_at)
    where s.owner_id is null and h.sample_at >= $start_at and h.sample_at < $end_at + interval 3 hours
),

workloads as (
    select
        h.usage_hour_at,
        h.accelerator_id,
        h.instance_id,
        w.workload_id,
        h.start_at,
        max(h.covered_ms) as covered_ms,
        sum(h.share_units) as share_units,
        sum(h.owner_busy_units) as busy_units,
    from held as h
    join int_owner_workloads as w using (usage_hour_at, instance_id, owner_id)
    where w.usage_hour_at >= $start_at and w.usage_hour_at < $end_at
    group by h.usage_hour_at, h.accelerator_id, h.instance_id, w.workload_id, h.start_at
    having sum(h.owner_busy_units) < 50000 * sum(h.share_units)
),

breaks as (
    select
        *,
        start_at + to_milliseconds(covered_ms) as end_at,
        coalesce(
            start_at <> lag(start_at + to_milliseconds(covered_ms)) over (
                partition by usage_hour_at, accelerator_id, instance_id, workload_id
                order by start_at
            ),
            true
        ) as is_new,
    from workloads
),

numbered as (
    select
        *,
        sum(cast(is_new as integer)) over (
            partition by usage_hour_at, accelerator_id, instance_id, workload_id
            order by start_at
        ) as stretch_number,
    from breaks
)

select
    usage_hour_at,
    accelerator_id,
    instance_id,
    workload_id,
    min(start_at) as start_at,
    max(end_at) as end_at,
    cast(sum(cast(covered_ms as hugeint) * share_units) * 1000000 // 720720 as bigint) as held_ns,
    cast(sum(cast(covered_ms as hugeint) * busy_units) // 720720 as bigint) as busy_ns,
from numbered
group by usage_hour_at, accelerator_id, instance_id, workload_id, stretch_number
