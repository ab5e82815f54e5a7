-- int_idle_stretches: unbroken stretches in which a workload held an accelerator and worked less than 5 % of the time, within one UTC hour.
-- grain:  usage_hour_at, accelerator_id, instance_id, workload_id, start_at
-- column: usage_hour_at | UTC hour
-- column: accelerator_id | accelerator
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: workload_id | workload that held it
-- column: start_at | start of the stretch
-- column: end_at | end of the stretch
-- column: slice_count | compute slices of the MIG instance in that hour, 1 on a whole device
-- column: device_slice_count | compute slices of the whole device, 1 without MIG
-- column: held_ns | share-weighted nanoseconds held in the stretch
-- column: busy_ns | share-weighted nanoseconds of execution in the stretch
-- check:  fail | end_at > start_at | a stretch has a length
-- window: usage_hour_at

-- only samples that stand alone can be idle: owners who worked too little, or those of a Neuron device, told apart here
with samples as not materialized (
    select
        *,
        -- milliseconds, as covered_ms: what is finer would tear one stretch in two
        least(epoch_ms(sample_at), epoch_ms(usage_hour_at) + 3600000) - covered_ms as start_ms,
    from int_accelerator_usage
    where
        usage_hour_at >= $start_at
        and usage_hour_at < $end_at
        and (is_idle or owner_id is null and sharers_key is null)
),

held as (
    select
        usage_hour_at,
        accelerator_id,
        instance_id,
        owner_id,
        slice_count,
        device_slice_count,
        start_ms,
        covered_ms,
        held_unit_ms,
        owner_busy_unit_ms as busy_unit_ms,
    from samples
    where owner_id is not null
    union all
    select
        s.usage_hour_at,
        s.accelerator_id,
        s.instance_id,
        o.owner_id,
        s.slice_count,
        s.device_slice_count,
        s.start_ms,
        s.covered_ms,
        s.covered_ms * o.share_units as held_unit_ms,
        s.busy_ppm_ms * o.share_units as busy_unit_ms,
    from samples as s
    join int_gpu_owners as o on s.sharers_key = o.label_key
    where s.is_idle and o.seen_hour_at >= $start_at and o.seen_hour_at < $end_at + interval 3 hours
    union all
    select
        s.usage_hour_at,
        s.accelerator_id,
        s.instance_id,
        h.owner_id,
        s.slice_count,
        s.device_slice_count,
        s.start_ms,
        s.covered_ms,
        s.covered_ms * h.share_units as held_unit_ms,
        s.covered_ms * h.owner_busy_units as busy_unit_ms,
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
        h.start_ms,
        max(h.slice_count) as slice_count,
        max(h.device_slice_count) as device_slice_count,
        max(h.covered_ms) as covered_ms,
        sum(h.held_unit_ms) as held_unit_ms,
        sum(h.busy_unit_ms) as busy_unit_ms,
    from held as h
    join int_owner_workloads as w using (usage_hour_at, instance_id, owner_id)
    where w.usage_hour_at >= $start_at and w.usage_hour_at < $end_at
    group by h.usage_hour_at, h.accelerator_id, h.instance_id, w.workload_id, h.start_ms
    having sum(h.busy_unit_ms) < 50000 * sum(h.held_unit_ms)
),

breaks as (
    select
        *,
        start_ms + covered_ms as end_ms,
        coalesce(
            start_ms <> lag(start_ms + covered_ms) over (
                partition by usage_hour_at, accelerator_id, instance_id, workload_id
                order by start_ms
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
            order by start_ms
        ) as stretch_number,
    from breaks
)

select
    usage_hour_at,
    accelerator_id,
    instance_id,
    workload_id,
    make_timestamptz(min(start_ms) * 1000) as start_at,
    make_timestamptz(max(end_ms) * 1000) as end_at,
    max(slice_count) as slice_count,
    max(device_slice_count) as device_slice_count,
    cast(sum(held_unit_ms) * 1000000 // 720720 as bigint) as held_ns,
    cast(sum(busy_unit_ms) // 720720 as bigint) as busy_ns,
from numbered
group by usage_hour_at, accelerator_id, instance_id, workload_id, stretch_number
