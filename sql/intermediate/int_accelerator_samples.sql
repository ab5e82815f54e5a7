-- int_accelerator_samples: what each sample of each accelerator says about the time it stands for, split at UTC hours.
-- grain:  accelerator_id, instance_id, sample_at, usage_hour_at
-- column: accelerator_id | GPU UUID ('/GI<id>' for a MIG instance) or <instance_id>/neuron<device>
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: sample_at | instant of the sample, the end of the time it stands for
-- column: usage_hour_at | UTC hour of this part of that time
-- column: covered_ms | milliseconds of that hour the sample stands for: the gap to the sample before, at most twice the cadence; the first stands for one cadence
-- column: start_at | start of this part
-- column: source | supplier of the sample
-- column: instance_key | instance id or host label as the supplier gave it
-- column: device_key | device as the supplier gave it
-- column: device_id | physical device: accelerator_id without its MIG instance
-- column: slice_count | compute slices of a MIG instance, 1 on a whole device
-- column: device_slice_count | compute slices of the whole device, 1 without MIG
-- column: instance_type | type as the telemetry names it, '' where it does not
-- column: region | region as the telemetry names it, '' where it does not
-- column: model_name | GPU model as the exporter names it
-- column: logical_core_count | logical NeuronCores, 1 for a GPU
-- column: busy_ppm | parts per million of the time that the accelerator executed; NULL where unknown
-- column: counter_bits | which counter spoke: 1 gr_engine_active, 2 gpu_util, 4 neuroncore_utilization
-- column: achieved_ppm | parts per million of peak tensor work; NULL where unknown
-- column: memory_used_bytes | device memory in use
-- column: power_milliwatts | power of the whole device
-- column: energy_millijoules | energy since the sample before, in the part that ends at the sample
-- column: temperature_celsius | device temperature
-- column: error_count | uncorrected memory errors and new XID codes since the sample before
-- column: owner_id | the only known owner, '' for none, NULL where several share the device
-- column: held_units | held by known owners, in 1/720720ths
-- column: unknown_units | held by nobody known, in 1/720720ths
-- column: owner_busy_units | busy ppm times share units of the only known owner
-- column: flag_bits | quality flags as a bit set (see int_accelerator_hours)
-- check:  fail | covered_ms between 1 and 3600000 | a part lies within its hour
-- check:  fail | held_units + unknown_units <= 720720 | a device cannot be held more than once
-- window: sample_at

with gpu_rows as (
    select
        s.*,
        case
            when regexp_full_match(s.hostname, 'i-[0-9a-f]{8,17}') then s.hostname
            else coalesce(h.instance_id, '')
        end as instance_id,
        a.gpu_uuid as alias_uuid,
    from stg_dcgm_samples as s
    left join int_hosts as h
        on s.hostname = h.hostname and s.sample_at >= h.valid_from_at and s.sample_at < h.valid_until_at
    left join int_gpu_aliases as a
        on s.hostname = a.hostname and s.device_name = a.device_name and s.gpu_uuid = ''
    where s.sample_at >= $start_at - interval 2 hours and s.sample_at < $end_at
),

gpus as (
    select
        'dcgm' as source,
        hostname as instance_key,
        device_key,
        coalesce(
            alias_uuid || regexp_extract(device_key, '/GI\d+$'),
            case
                when gpu_uuid = '' then coalesce(nullif(instance_id, ''), hostname) || '/' || device_key
                else device_key
            end
        ) as accelerator_id,
        instance_id,
        sample_at,
        cadence_ms,
        case
            when mig_profile = '' then 1
            else greatest(cast(coalesce(nullif(regexp_extract(mig_profile, '^(\d+)g', 1), ''), '1') as integer), 1)
        end as slice_count,
        case when mig_profile = '' then 1 when model_name ilike '%A30%' then 4 else 7 end as device_slice_count,
        '' as instance_type,
        '' as region,
        model_name,
        1 as logical_core_count,
        busy_ppm,
        case utilization_source when 'gr_engine_active' then 1 when 'gpu_util' then 2 else 0 end as counter_bits,
        achieved_ppm,
        memory_used_bytes,
        power_milliwatts,
        energy_millijoules as energy_counter,
        temperature_celsius,
        xid_code,
        uncorrected_error_count,
        owner_id,
        case when owner_id = '' then 0 else 720720 end as held_units,
        case when owner_id = '' and busy_ppm > 0 then 720720 else 0 end as unknown_units,
        case when owner_id <> '' then busy_ppm * 720720 end as owner_busy_units,
        case when is_scale_suspect then 8 else 0 end + case when is_time_guessed then 256 else 0 end as flag_bits,
    from gpu_rows
    where
        alias_uuid is null
        or not exists (
            select 1
            from stg_dcgm_samples as twin
            where
                twin.hostname = gpu_rows.hostname
                and twin.sample_at = gpu_rows.sample_at
                and twin.gpu_uuid = gpu_rows.alias_uuid
        )
),

neuron_rows as (
    select
        'neuron_monitor' as source,
        n.*,
        4 as counter_bits,
    from int_neuron_devices as n
    where n.sample_at >= $start_at - interval 2 hours and n.sample_at < $end_at
    union all by name
    -- the first-hand source speaks wherever it has a sample in that minute
    select
        'cloudwatch' as source,
        c.*,
        4 as counter_bits,
    from int_cloudwatch_devices as c
    where
        c.sample_at >= $start_at - interval 2 hours
        and c.sample_at < $end_at
        and not exists (
            select 1
            from int_neuron_devices as n
            where
                n.instance_id = c.instance_id
                and n.device_index = c.device_index
                and n.sample_at > c.sample_at - to_milliseconds(c.cadence_ms)
                and n.sample_at < c.sample_at + interval 1 minute
        )
),

samples as (
    select *
    from gpus
    union all by name
    select
        source,
        instance_id as instance_key,
        cast(device_index as varchar) as device_key,
        instance_id || '/neuron' || device_index as accelerator_id,
        instance_id,
        sample_at,
        cadence_ms,
        1 as slice_count,
        1 as device_slice_count,
        instance_type,
        region,
        '' as model_name,
        logical_core_count,
        busy_ppm,
        counter_bits,
        cast(null as bigint) as achieved_ppm,
        memory_used_bytes,
        cast(null as bigint) as power_milliwatts,
        cast(null as bigint) as energy_counter,
        cast(null as integer) as temperature_celsius,
        0 as xid_code,
        coalesce(uncorrected_error_count, 0) as uncorrected_error_count,
        owner_id,
        held_units,
        unknown_units,
        owner_busy_units,
        flag_bits,
    from neuron_rows
),

gaps as (
    select
        *,
        epoch_ms(sample_at) - epoch_ms(lag(sample_at) over device) as gap_ms,
        energy_counter - lag(energy_counter) over device as counter_change,
        uncorrected_error_count - lag(uncorrected_error_count) over device as error_change,
        xid_code <> 0 and coalesce(xid_code <> lag(xid_code) over device, true) as is_new_xid,
    from samples
    window device as (partition by accelerator_id, instance_id order by sample_at)
),

without_recent as (
    select distinct
        source,
        instance_key,
        device_key,
    from gaps
    where gap_ms is null and sample_at >= $start_at
),

seen_long_ago as (
    select distinct
        f.source,
        f.instance_key,
        f.device_key,
    from without_recent as f
    join stg_dcgm_samples as s on f.instance_key = s.hostname and f.device_key = s.device_key
    where f.source = 'dcgm' and s.sample_at < $start_at - interval 2 hours
    union all
    select distinct
        f.source,
        f.instance_key,
        f.device_key,
    from without_recent as f
    join stg_neuron_reports as r on f.instance_key = r.instance_id
    where f.source = 'neuron_monitor' and r.sample_at < $start_at - interval 2 hours
    union all
    select distinct
        f.source,
        f.instance_key,
        f.device_key,
    from without_recent as f
    join stg_cloudwatch_cores as c on f.instance_key = c.host
    where f.source = 'cloudwatch' and c.sample_at < $start_at - interval 2 hours
),

covered as (
    select
        gaps.*,
        case
            when gap_ms is not null then least(gap_ms, 2 * cadence_ms)
            when seen_long_ago.source is not null then 2 * cadence_ms
            else cadence_ms
        end as sample_ms,
        date_trunc('hour', sample_at - interval 1 millisecond) as end_hour_at,
    from gaps
    left join seen_long_ago using (source, instance_key, device_key)
    where sample_at >= $start_at
),

ends as (
    select
        *,
        least(sample_ms, epoch_ms(sample_at) - epoch_ms(end_hour_at)) as end_ms,
    from covered
),

parts as (
    select
        * exclude (end_hour_at, end_ms),
        end_hour_at as usage_hour_at,
        end_ms as covered_ms,
        true as is_end,
    from ends
    union all by name
    select
        * exclude (end_hour_at, end_ms, hours_back),
        end_hour_at - to_hours(hours_back) as usage_hour_at,
        least(sample_ms - end_ms - (hours_back - 1) * 3600000, 3600000) as covered_ms,
        false as is_end,
    from (
        select
            *,
            unnest(range(1, 1 + cast(ceil((sample_ms - end_ms) / 3600000) as bigint))) as hours_back,
        from ends
        where sample_ms > end_ms
    )
)

select
    accelerator_id,
    instance_id,
    sample_at,
    usage_hour_at,
    cast(covered_ms as bigint) as covered_ms,
    case
        when is_end then sample_at - to_milliseconds(covered_ms)
        else usage_hour_at + interval 1 hour - to_milliseconds(covered_ms)
    end as start_at,
    source,
    instance_key,
    device_key,
    regexp_replace(accelerator_id, '/GI\d+$', '') as device_id,
    slice_count,
    device_slice_count,
    instance_type,
    region,
    model_name,
    logical_core_count,
    busy_ppm,
    counter_bits,
    achieved_ppm,
    memory_used_bytes,
    power_milliwatts,
    cast(
        case
            when not is_end then null
            when counter_change >= 0 and gap_ms <= 2 * cadence_ms then counter_change
            else power_milliwatts * sample_ms // 1000
        end as bigint
    ) as energy_millijoules,
    temperature_celsius,
    case
        when is_end
            then greatest(coalesce(error_change, 0), 0) + case when is_new_xid and gap_ms is not null then 1 else 0 end
        else 0
    end as error_count,
    owner_id,
    cast(held_units as bigint) as held_units,
    cast(unknown_units as bigint) as unknown_units,
    cast(owner_busy_units as bigint) as owner_busy_units,
    cast(flag_bits as integer) as flag_bits,
from parts
