-- int_accelerator_hours: integer sums of each accelerator's samples per UTC hour.
-- grain:  usage_hour_at, accelerator_id, instance_id
-- column: usage_hour_at | UTC hour
-- column: accelerator_id | accelerator
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: device_id | physical device
-- column: slice_count | compute slices of a MIG instance, 1 on a whole device
-- column: device_slice_count | compute slices of the whole device, 1 without MIG
-- column: vendor_hint | neuron or nvidia
-- column: instance_type | type as the telemetry names it, '' where it does not
-- column: region | region as the telemetry names it, '' where it does not
-- column: model_name | GPU model as the exporter names it
-- column: logical_core_count | logical NeuronCores, 1 for a GPU
-- column: observed_ms | milliseconds covered by samples
-- column: device_observed_ms | milliseconds in which any part of the physical device was covered
-- column: busy_observed_ms | milliseconds covered by samples that could tell how busy it was
-- column: busy_ns | nanoseconds of execution; NULL where no sample could tell
-- column: unknown_ns | nanoseconds held by nobody known
-- column: achieved_observed_ms | milliseconds whose tensor activity is known
-- column: achieved_ns | nanoseconds of peak tensor work
-- column: memory_used_bytes_max | largest memory in use
-- column: power_milliwatt_ms | power times time
-- column: power_observed_ms | milliseconds whose power is known
-- column: energy_millijoules | energy used
-- column: temperature_celsius_max | highest temperature
-- column: error_count | uncorrected memory errors and new XID codes
-- column: counter_bits | which counters spoke: 1 gr_engine_active, 2 gpu_util, 4 neuroncore_utilization
-- column: flag_bits | quality flags: 1 attribution_unreliable, 2 late, 4 oversubscribed, 8 scale_suspect, 16 short_period, 32 sources_disagree, 64 stale, 128 synthetic_zero_suspect, 256 time_guessed
-- column: first_sample_at | first sample in the hour
-- column: last_sample_at | last sample in the hour
-- check:  fail | observed_ms between 1 and 3600000 | an accelerator cannot be observed for more than the hour
-- check:  fail | busy_ns is null or busy_ns <= observed_ms * 1000000 | it cannot work longer than it was observed
-- window: usage_hour_at

with usage as not materialized (
    select *
    from int_accelerator_usage
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

-- instances tell of one device at once, and of some instants only one of them
instances as (
    select
        usage_hour_at,
        device_id,
        instance_id,
        least(epoch_ms(sample_at), epoch_ms(usage_hour_at) + 3600000) - covered_ms as start_ms,
        max(covered_ms) as covered_ms,
    from usage
    where device_slice_count > 1
    group by usage_hour_at, device_id, instance_id, start_ms
),

instances_in_order as (
    select
        *,
        max(start_ms + covered_ms) over (
            partition by usage_hour_at, device_id, instance_id order by start_ms
            rows between unbounded preceding and 1 preceding
        ) as told_until_ms,
    from instances
),

mig_devices as (
    select
        usage_hour_at,
        device_id,
        instance_id,
        sum(observed_ms) as device_observed_ms,
    from (
        select
            usage_hour_at,
            device_id,
            instance_id,
            greatest(start_ms + covered_ms - greatest(start_ms, told_until_ms), 0) as observed_ms,
        from instances_in_order
        union all
        -- the time before MIG was switched on counts too
        select
            usage_hour_at,
            device_id,
            instance_id,
            covered_ms as observed_ms,
        from usage
        where
            device_slice_count = 1
            and (usage_hour_at, device_id, instance_id) in (
                select (i.usage_hour_at, i.device_id, i.instance_id) from instances as i
            )
    )
    group by usage_hour_at, device_id, instance_id
),

hours as (
    select
        usage_hour_at,
        accelerator_id,
        instance_id,
        any_value(device_id) as device_id,
        max(slice_count) as slice_count,
        max(device_slice_count) as device_slice_count,
        max(instance_type) as instance_type,
        max(region) as region,
        max(model_name) as model_name,
        max(logical_core_count) as logical_core_count,
        sum(covered_ms) as observed_ms,
        sum(busy_known_ms) as busy_observed_ms,
        sum(busy_ppm_ms) as busy_ns,
        sum(unknown_unit_ms) * 1000000 // 720720 as unknown_ns,
        sum(achieved_known_ms) as achieved_observed_ms,
        sum(achieved_ppm_ms) as achieved_ns,
        max(memory_used_bytes_max) as memory_used_bytes_max,
        sum(power_milliwatt_ms) as power_milliwatt_ms,
        sum(power_known_ms) as power_observed_ms,
        sum(energy_millijoules) as energy_millijoules,
        max(temperature_celsius_max) as temperature_celsius_max,
        sum(error_count) as error_count,
        bit_or(counter_bits) as counter_bits,
        bit_or(flag_bits) as flag_bits,
        min(first_sample_at) as first_sample_at,
        max(sample_at) as last_sample_at,
    from usage
    group by usage_hour_at, accelerator_id, instance_id
)

select
    h.usage_hour_at,
    h.accelerator_id,
    h.instance_id,
    h.device_id,
    h.slice_count,
    h.device_slice_count,
    -- how a Neuron device is named, whoever tells of it
    case when regexp_matches(h.accelerator_id, '/neuron\d+$') then 'neuron' else 'nvidia' end as vendor_hint,
    h.instance_type,
    h.region,
    h.model_name,
    h.logical_core_count,
    cast(h.observed_ms as bigint) as observed_ms,
    cast(coalesce(m.device_observed_ms, h.observed_ms) as bigint) as device_observed_ms,
    cast(h.busy_observed_ms as bigint) as busy_observed_ms,
    cast(h.busy_ns as bigint) as busy_ns,
    cast(h.unknown_ns as bigint) as unknown_ns,
    cast(h.achieved_observed_ms as bigint) as achieved_observed_ms,
    cast(h.achieved_ns as bigint) as achieved_ns,
    h.memory_used_bytes_max,
    cast(h.power_milliwatt_ms as hugeint) as power_milliwatt_ms,
    cast(h.power_observed_ms as bigint) as power_observed_ms,
    cast(h.energy_millijoules as bigint) as energy_millijoules,
    h.temperature_celsius_max,
    cast(h.error_count as bigint) as error_count,
    h.counter_bits,
    h.flag_bits,
    h.first_sample_at,
    h.last_sample_at,
from hours as h
left join mig_devices as m using (usage_hour_at, device_id, instance_id)
