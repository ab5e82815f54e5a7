-- int_holdings: how long each known owner held each accelerator in each UTC hour, and how much of it worked.
-- grain:  usage_hour_at, accelerator_id, instance_id, owner_id
-- column: usage_hour_at | UTC hour
-- column: accelerator_id | accelerator
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: owner_id | owner: kind and its parts, separated by the unit separator
-- column: slice_count | compute slices of the MIG instance in that hour, 1 on a whole device
-- column: device_slice_count | compute slices of the whole device, 1 without MIG
-- column: held_ns | share-weighted nanoseconds held
-- column: busy_ns | share-weighted nanoseconds of execution; NULL where no sample could tell
-- column: busy_held_ns | the part of held_ns whose execution is known
-- column: first_sample_at | first sample in the hour
-- check:  fail | held_ns >= 0 | nobody holds a negative time
-- check:  fail | busy_ns is null or busy_ns <= held_ns + 1000000 | an owner cannot work longer than it holds
-- window: usage_hour_at

with usage as not materialized (
    select *
    from int_accelerator_usage
    where usage_hour_at >= $start_at and usage_hour_at < $end_at and held_unit_ms > 0
),

held as (
    select
        usage_hour_at,
        accelerator_id,
        instance_id,
        owner_id,
        slice_count,
        device_slice_count,
        held_unit_ms,
        owner_busy_unit_ms as busy_unit_ms,
        owner_known_unit_ms as known_unit_ms,
        first_sample_at,
    from usage
    where owner_id is not null
    union all
    select
        u.usage_hour_at,
        u.accelerator_id,
        u.instance_id,
        o.owner_id,
        u.slice_count,
        u.device_slice_count,
        u.covered_ms * o.share_units as held_unit_ms,
        u.busy_ppm_ms * o.share_units as busy_unit_ms,
        u.busy_known_ms * o.share_units as known_unit_ms,
        u.first_sample_at,
    from usage as u
    join int_gpu_owners as o on u.sharers_key = o.label_key
    where o.seen_hour_at >= $start_at and o.seen_hour_at < $end_at + interval 3 hours
    union all
    select
        u.usage_hour_at,
        u.accelerator_id,
        u.instance_id,
        h.owner_id,
        u.slice_count,
        u.device_slice_count,
        u.covered_ms * h.share_units as held_unit_ms,
        u.covered_ms * h.owner_busy_units as busy_unit_ms,
        case when h.owner_busy_units is null then 0 else u.covered_ms * h.share_units end as known_unit_ms,
        u.first_sample_at,
    from usage as u
    join int_shared_holdings as h using (source, instance_key, device_key, sample_at)
    where u.owner_id is null and h.sample_at >= $start_at and h.sample_at < $end_at + interval 3 hours
)

select
    usage_hour_at,
    accelerator_id,
    instance_id,
    owner_id,
    -- nobody holds an instance while it is cut anew
    max(slice_count) as slice_count,
    max(device_slice_count) as device_slice_count,
    cast(sum(held_unit_ms) * 1000000 // 720720 as bigint) as held_ns,
    cast(sum(busy_unit_ms) // 720720 as bigint) as busy_ns,
    cast(sum(known_unit_ms) * 1000000 // 720720 as bigint) as busy_held_ns,
    min(first_sample_at) as first_sample_at,
from held
group by usage_hour_at, accelerator_id, instance_id, owner_id
