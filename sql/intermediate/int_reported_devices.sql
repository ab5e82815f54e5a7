-- int_reported_devices: Neuron devices as suppliers other than neuron-monitor tell of them: cores folded into their device.
-- grain:  source, instance_id, device_index, sample_at
-- column: source | supplier, as in int_core_samples
-- column: precedence | which source speaks of a minute that several tell of: the smallest
-- column: instance_id | EC2 instance id
-- column: device_index | Neuron device
-- column: sample_at | end of the period
-- column: label_key | hash of the hour and of what does not change from sample to sample: names the place in int_accelerator_places
-- column: instance_type | EC2 instance type
-- column: region | AWS region
-- column: cadence_ms | period, milliseconds
-- column: logical_core_count | logical NeuronCores of the device, as the supplier tells, else from the cores seen and the type's default
-- column: busy_ppm | mean over the device's cores of their busy share
-- column: memory_used_bytes | device memory in use
-- column: owner_id | the only owner, '' for none, NULL where several share the device
-- column: held_units | cores held by known owners, in 1/720720ths of the device
-- column: unknown_units | loaded or working cores without an owner, in 1/720720ths of the device
-- column: owner_busy_units | busy ppm times share units of the only known owner; NULL where several share it or the work of a core of theirs is unknown
-- column: flag_bits | quality flags: 1 attribution_unreliable, 8 scale_suspect, 128 synthetic_zero_suspect, 256 time_guessed
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a device cannot work more than all of the time
-- window: sample_at

with cores as (
    select
        c.* replace (
            coalesce(
                c.logical_core_count,
                greatest(
                    count(*) over (partition by c.source, c.instance_id, c.device_index, c.sample_at),
                    coalesce(t.logical_cores_per_device, 1)
                )
            ) as logical_core_count
        ),
    from int_core_samples as c
    left join seed_instance_types as t using (instance_type)
    where c.sample_at >= $start_at and c.sample_at < $end_at
),

owners as (
    select
        source,
        instance_id,
        sample_at,
        core_index,
        count(*) as owner_count,
        min(owner_id) as first_owner_id,
        max(owner_id) as last_owner_id,
    from int_core_owners
    where sample_at >= $start_at and sample_at < $end_at
    group by source, instance_id, sample_at, core_index
),

owned as (
    select
        cores.*,
        720720 // cores.logical_core_count as core_units,
        coalesce(owners.owner_count, 0) > 0 as is_owned,
        owners.first_owner_id,
        owners.last_owner_id,
    from cores
    left join owners using (source, instance_id, sample_at, core_index)
),

devices as (
    select
        source,
        instance_id,
        device_index,
        sample_at,
        max(instance_type) as instance_type,
        max(region) as region,
        max(cadence_ms) as cadence_ms,
        max(logical_core_count) as logical_core_count,
        case when count(busy_ppm) = count(*) then sum(busy_ppm) // max(logical_core_count) end as busy_ppm,
        sum(memory_used_bytes) as memory_used_bytes,
        min(first_owner_id) as first_owner_id,
        max(last_owner_id) as last_owner_id,
        coalesce(sum(core_units) filter (where is_owned), 0) as held_units,
        coalesce(sum(core_units) filter (where not is_owned and (busy_ppm > 0 or memory_used_bytes > 0)), 0)
            as unknown_units,
        case
            when bool_or(is_owned and busy_ppm is null) then null
            else coalesce(sum(busy_ppm * core_units) filter (where is_owned), 0)
        end as owner_busy_units,
        bit_or(flag_bits) as flag_bits,
    from owned
    group by source, instance_id, device_index, sample_at
),

owned_devices as (
    select
        *,
        case when first_owner_id <> last_owner_id then null else coalesce(first_owner_id, '') end as owner_id,
    from devices
)

select
    d.source,
    s.precedence,
    d.instance_id,
    d.device_index,
    d.sample_at,
    hash(
        epoch_ms(d.sample_at) // 3600000, d.source, d.instance_id, d.device_index, d.instance_type, d.region,
        d.logical_core_count, d.owner_id
    ) as label_key,
    d.instance_type,
    d.region,
    d.cadence_ms,
    cast(d.logical_core_count as integer) as logical_core_count,
    cast(d.busy_ppm as bigint) as busy_ppm,
    cast(d.memory_used_bytes as bigint) as memory_used_bytes,
    d.owner_id,
    cast(d.held_units as bigint) as held_units,
    cast(d.unknown_units as bigint) as unknown_units,
    cast(case when d.first_owner_id <> d.last_owner_id then null else d.owner_busy_units end as bigint)
        as owner_busy_units,
    d.flag_bits | case when d.unknown_units > 0 then 1 else 0 end as flag_bits,
from owned_devices as d
join seed_sources as s using (source)
