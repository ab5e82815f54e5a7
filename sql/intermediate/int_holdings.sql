-- int_holdings: how long each known owner held each accelerator in each UTC hour, and how much of it worked.
-- grain:  usage_hour_at, accelerator_id, instance_id, owner_id
-- column: usage_hour_at | UTC hour
-- column: accelerator_id | accelerator
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: owner_id | owner: kind and its parts, separated by the unit separator
-- column: held_ns | share-weighted nanoseconds held
-- column: busy_ns | share-weighted nanoseconds of execution; NULL where no sample could tell
-- column: busy_held_ns | the part of held_ns whose execution is known
-- column: first_sample_at | first sample in the hour
-- check:  fail | held_ns >= 0 | nobody holds a negative time
-- check:  fail | busy_ns is null or busy_ns <= held_ns + 1000000 | an owner cannot work longer than it holds
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
),

held as (
    select
        usage_hour_at,
        accelerator_id,
        instance_id,
        owner_id,
        sample_at,
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
        s.sample_at,
        s.covered_ms,
        h.share_units,
        coalesce(h.owner_busy_units, s.busy_ppm * h.share_units) as owner_busy_units,
    from samples as s
    join int_shared_holdings as h using (source, instance_key, device_key, sample_at)
    where s.owner_id is null and h.sample_at >= $start_at and h.sample_at < $end_at + interval 3 hours
)

select
    usage_hour_at,
    accelerator_id,
    instance_id,
    owner_id,
    cast(sum(covered_ms * share_units) * 1000000 // 720720 as bigint) as held_ns,
    cast(sum(cast(covered_ms as hugeint) * owner_busy_units) // 720720 as bigint) as busy_ns,
    cast(
        coalesce(sum(covered_ms * share_units) filter (where owner_busy_units is not null), 0) * 1000000 // 720720
        as bigint
    ) as busy_held_ns,
    min(sample_at) as first_sample_at,
from held
group by usage_hour_at, accelerator_id, instance_id, owner_id
