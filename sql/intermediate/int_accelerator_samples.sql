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
-- lookback: 2 hours

with gpu_rows as not materialized (
    select
        *,
        hash(hostname, device_key, gpu_uuid, device_name, mig_profile, model_name, owner_id) as label_hash,
    from stg_dcgm_samples
    where sample_at >= $start_at - interval 2 hours and sample_at < $end_at
),

neuron_rows as not materialized (
    select
        'neuron_monitor' as source,
        hash('neuron_monitor', instance_id, device_index, instance_type, region, owner_id) as label_hash,
        n.*,
    from int_neuron_devices as n
    where n.sample_at >= $start_at - interval 2 hours and n.sample_at < $end_at
    union all by name
    -- the first-hand source speaks wherever it has a sample in that minute
    select
        'cloudwatch' as source,
        hash('cloudwatch', instance_id, device_index, instance_type, region, owner_id) as label_hash,
        c.*,
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

-- what another source said of the same minutes is never mixed in, but more than 5 points apart it is a doubt
doubtful_periods as (
    select
        c.instance_id,
        c.device_index,
        c.sample_at,
        c.cadence_ms,
    from int_cloudwatch_devices as c
    join int_neuron_devices as n
        on
            c.instance_id = n.instance_id
            and c.device_index = n.device_index
            and n.sample_at > c.sample_at - to_milliseconds(c.cadence_ms)
            and n.sample_at <= c.sample_at
    where
        c.sample_at >= $start_at
        and c.sample_at < $end_at + interval 1 hour
        and n.sample_at >= $start_at - interval 1 hour
        and n.sample_at < $end_at + interval 1 hour
    group by c.instance_id, c.device_index, c.sample_at, c.cadence_ms, c.busy_ppm
    having abs(sum(n.busy_ppm) - c.busy_ppm * count(n.busy_ppm)) > 50000 * count(n.busy_ppm)
),

disagreements as (
    select distinct
        n.instance_id,
        n.device_index,
        n.sample_at,
    from int_neuron_devices as n
    join doubtful_periods as c
        on
            n.instance_id = c.instance_id
            and n.device_index = c.device_index
            and n.sample_at > c.sample_at - to_milliseconds(c.cadence_ms)
            and n.sample_at <= c.sample_at
    where n.sample_at >= $start_at and n.sample_at < $end_at
),

-- the many samples carry a number for their texts, which are joined back at the end; two texts with one number would
-- break the grain, which is checked
gpu_labels as (
    select distinct
        label_hash,
        hostname,
        device_key,
        gpu_uuid,
        device_name,
        mig_profile,
        model_name,
        owner_id,
    from gpu_rows
),

host_spans as (
    select
        hostname,
        instance_id,
        valid_from_at,
        valid_until_at,
    from int_hosts
    union all
    select
        hostname,
        '' as instance_id,
        cast('-infinity' as timestamptz) as valid_from_at,
        min(valid_from_at) as valid_until_at,
    from int_hosts
    group by hostname
),

gpu_places as (
    select
        g.*,
        case
            when regexp_full_match(g.hostname, 'i-[0-9a-f]{8,17}') then g.hostname
            else coalesce(h.instance_id, '')
        end as instance_id,
        a.gpu_uuid as alias_uuid,
        coalesce(h.valid_from_at, cast('-infinity' as timestamptz)) as valid_from_at,
        coalesce(h.valid_until_at, cast('infinity' as timestamptz)) as valid_until_at,
    from gpu_labels as g
    left join host_spans as h using (hostname)
    left join int_gpu_aliases as a
        on g.hostname = a.hostname and g.device_name = a.device_name and g.gpu_uuid = ''
),

named_places as (
    select
        label_hash,
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
        valid_from_at,
        valid_until_at,
        alias_uuid,
        case
            when mig_profile = '' then 1
            else greatest(cast(coalesce(nullif(regexp_extract(mig_profile, '^(\d+)g', 1), ''), '1') as integer), 1)
        end as slice_count,
        case when mig_profile = '' then 1 when model_name ilike '%A30%' then 4 else 7 end as device_slice_count,
        '' as instance_type,
        '' as region,
        model_name,
        owner_id,
    from gpu_places
    union all by name
    select
        label_hash,
        source,
        instance_id as instance_key,
        cast(device_index as varchar) as device_key,
        instance_id || '/neuron' || device_index as accelerator_id,
        instance_id,
        cast('-infinity' as timestamptz) as valid_from_at,
        cast('infinity' as timestamptz) as valid_until_at,
        1 as slice_count,
        1 as device_slice_count,
        instance_type,
        region,
        '' as model_name,
        owner_id,
    from (
        select distinct
            label_hash,
            source,
            instance_id,
            device_index,
            instance_type,
            region,
            owner_id,
        from neuron_rows
    )
),

places as materialized (
    select
        *,
        regexp_replace(accelerator_id, '/GI\d+$', '') as device_id,
        -- in a fixed order, since of two rows of one instant the first speaks
        cast(
            case
                when count(*) over (partition by label_hash, valid_from_at) > 1
                    then error('two places of one hash at ' || accelerator_id)
                else
                    row_number() over (
                        order by
                            accelerator_id, instance_id, source, instance_key, device_key, owner_id, valid_from_at,
                            label_hash
                    )
            end as integer
        ) as place_number,
        cast(dense_rank() over (order by accelerator_id, instance_id) as integer) as series_number,
    from named_places
),

-- a place without UUID is silent at instants at which its UUID spoke
twins as (
    select distinct
        s.hostname,
        s.gpu_uuid,
        s.sample_at,
    from gpu_rows as s
    semi join int_gpu_aliases as a on s.hostname = a.hostname and s.gpu_uuid = a.gpu_uuid
),

samples as (
    select
        p.place_number,
        p.series_number,
        g.sample_at,
        g.cadence_ms,
        1 as logical_core_count,
        g.busy_ppm,
        case g.utilization_source when 'gr_engine_active' then 1 when 'gpu_util' then 2 else 0 end as counter_bits,
        g.achieved_ppm,
        g.memory_used_bytes,
        g.power_milliwatts,
        g.energy_millijoules as energy_counter,
        g.temperature_celsius,
        g.xid_code,
        g.uncorrected_error_count,
        case when g.owner_id = '' then 0 else 720720 end as held_units,
        case when g.owner_id = '' and g.busy_ppm > 0 then 720720 else 0 end as unknown_units,
        case when g.owner_id <> '' then g.busy_ppm * 720720 end as owner_busy_units,
        case when g.is_scale_suspect then 8 else 0 end + case when g.is_time_guessed then 256 else 0 end as flag_bits,
    from gpu_rows as g
    join places as p
        on
            g.label_hash = p.label_hash
            and g.sample_at >= p.valid_from_at
            and g.sample_at < p.valid_until_at
    anti join twins as t
        on g.hostname = t.hostname and p.alias_uuid = t.gpu_uuid and g.sample_at = t.sample_at
    union all by name
    select
        p.place_number,
        p.series_number,
        d.sample_at,
        d.cadence_ms,
        d.logical_core_count,
        d.busy_ppm,
        4 as counter_bits,
        d.memory_used_bytes,
        0 as xid_code,
        d.uncorrected_error_count,
        d.held_units,
        d.unknown_units,
        d.owner_busy_units,
        d.flag_bits + case when d.source = 'neuron_monitor' and x.instance_id is not null then 32 else 0 end as flag_bits,
    from neuron_rows as d
    left join disagreements as x using (instance_id, device_index, sample_at)
    join places as p using (label_hash)
),

gaps as (
    select
        *,
        epoch_ms(sample_at) - epoch_ms(lag(sample_at) over series) as gap_ms,
        energy_counter - lag(energy_counter) over series as counter_change,
        uncorrected_error_count - lag(uncorrected_error_count) over series as error_change,
        lag(xid_code) over series as xid_code_before,
    from samples
    window series as (partition by series_number order by sample_at, place_number)
),

without_recent as (
    select distinct
        p.source,
        p.instance_key,
        p.device_key,
        p.valid_from_at,
    from gaps as g
    join places as p using (place_number)
    where g.gap_ms is null and g.sample_at >= $start_at
),

seen_long_ago as (
    select distinct
        f.source,
        f.instance_key,
        f.device_key,
    from without_recent as f
    join stg_dcgm_samples as s on f.instance_key = s.hostname and f.device_key = s.device_key
    where f.source = 'dcgm' and s.sample_at >= f.valid_from_at and s.sample_at < $start_at - interval 2 hours
    union all
    select distinct
        f.source,
        f.instance_key,
        f.device_key,
    from without_recent as f
    join stg_neuron_reports as r on f.instance_key = r.instance_id
    where f.source <> 'dcgm' and r.sample_at < $start_at - interval 2 hours
    union all
    select distinct
        f.source,
        f.instance_key,
        f.device_key,
    from without_recent as f
    join stg_cloudwatch_cores as c on f.instance_key = c.host
    where f.source <> 'dcgm' and c.sample_at < $start_at - interval 2 hours
),

returned as (
    select p.place_number
    from places as p
    semi join seen_long_ago using (source, instance_key, device_key)
),

covered as (
    select
        gaps.*,
        case
            when gap_ms is not null then least(gap_ms, 2 * cadence_ms)
            when returned.place_number is not null then 2 * cadence_ms
            else cadence_ms
        end as sample_ms,
        -- against a sample that told it too, and not longer ago than any window looks back
        coalesce(gap_ms <= 7200000 and xid_code <> 0 and xid_code <> xid_code_before, false) as is_new_xid,
        case when gap_ms <= 7200000 then greatest(error_change, 0) else 0 end as new_errors,
        -- integers: calendar arithmetic costs six times as much
        (epoch_ms(sample_at) - 1) // 3600000 * 3600000 as end_hour_ms,
    from gaps
    left join returned using (place_number)
    -- a sample within a millisecond of the one before stands for no time
    where sample_at >= $start_at and coalesce(gap_ms, 1) > 0
),

ends as (
    select
        *,
        least(sample_ms, epoch_ms(sample_at) - end_hour_ms) as end_ms,
    from covered
),

parts as (
    select
        *,
        unnest(
            case
                when sample_ms <= end_ms then [0]
                else range(0, 1 + cast(ceil((sample_ms - end_ms) / 3600000) as bigint))
            end
        ) as hours_back,
    from ends
),

timed as (
    select
        *,
        hours_back = 0 as is_end,
        end_hour_ms - hours_back * 3600000 as hour_ms,
        case
            when hours_back = 0 then end_ms
            else least(sample_ms - end_ms - (hours_back - 1) * 3600000, 3600000)
        end as covered_ms,
    from parts
)

select
    p.accelerator_id,
    p.instance_id,
    t.sample_at,
    make_timestamptz(t.hour_ms * 1000) as usage_hour_at,
    cast(t.covered_ms as bigint) as covered_ms,
    case
        when t.is_end then make_timestamptz(epoch_us(t.sample_at) - t.covered_ms * 1000)
        else make_timestamptz((t.hour_ms + 3600000 - t.covered_ms) * 1000)
    end as start_at,
    p.source,
    p.instance_key,
    p.device_key,
    p.device_id,
    p.slice_count,
    p.device_slice_count,
    p.instance_type,
    p.region,
    p.model_name,
    t.logical_core_count,
    t.busy_ppm,
    t.counter_bits,
    t.achieved_ppm,
    t.memory_used_bytes,
    t.power_milliwatts,
    cast(
        case
            when not t.is_end then null
            when t.counter_change >= 0 and t.gap_ms <= 2 * t.cadence_ms then t.counter_change
            else t.power_milliwatts * t.sample_ms // 1000
        end as bigint
    ) as energy_millijoules,
    t.temperature_celsius,
    case
        when t.is_end
            then
                coalesce(t.new_errors, 0) + case when t.is_new_xid then 1 else 0 end
        else 0
    end as error_count,
    p.owner_id,
    cast(t.held_units as bigint) as held_units,
    cast(t.unknown_units as bigint) as unknown_units,
    cast(t.owner_busy_units as bigint) as owner_busy_units,
    cast(t.flag_bits as integer) as flag_bits,
from timed as t
join places as p using (place_number)
