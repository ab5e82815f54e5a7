-- int_accelerator_usage: what each accelerator did in each UTC hour under each owner, as integer sums over its samples.
-- grain:  usage_hour_at, accelerator_id, instance_id, sample_at
-- column: usage_hour_at | UTC hour
-- column: accelerator_id | GPU UUID ('/GI<id>' for a MIG instance) or <instance_id>/neuron<device>
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: sample_at | the sample, or the last of those summed: a sample stands alone where its owners idle, several share a Neuron device or MIG divides a GPU
-- column: covered_ms | milliseconds of the hour the samples stand for: the gap to the sample before, at most twice the cadence; the first of all stands for one cadence, and where MIG was switched on or off none for time that the GPU's other form told of. A cadence counts as an hour at most
-- column: source | supplier of the samples
-- column: instance_key | instance id or host label as the supplier gave it
-- column: device_key | device as the supplier gave it
-- column: device_id | physical device: accelerator_id without its MIG instance
-- column: slice_count | compute slices of a MIG instance, 1 on a whole device
-- column: device_slice_count | compute slices of the whole device, 1 without MIG
-- column: instance_type | type as the telemetry names it, '' where it does not
-- column: region | region as the telemetry names it, '' where it does not
-- column: model_name | GPU model as the exporter names it
-- column: logical_core_count | logical NeuronCores, 1 for a GPU
-- column: owner_id | the only known owner, '' for none, NULL where several share the device: int_gpu_owners or int_shared_holdings names them
-- column: sharers_key | names the owners of a shared GPU in int_gpu_owners
-- column: is_idle | one sample whose only known owner, or whose sharers together, worked less than 5 % of the time
-- column: busy_known_ms | the part of covered_ms in which somebody could tell how busy the accelerator was
-- column: busy_ppm_ms | milliseconds times busy parts per million; NULL where nobody could tell
-- column: achieved_known_ms | the part of covered_ms whose tensor activity is known
-- column: achieved_ppm_ms | milliseconds times parts per million of peak tensor work; NULL where unknown
-- column: held_unit_ms | milliseconds times 1/720720ths of the device that known owners held
-- column: unknown_unit_ms | milliseconds times 1/720720ths that nobody known held
-- column: owner_known_unit_ms | the part of held_unit_ms in which the work of the only known owner, or of a GPU's sharers together, is known
-- column: owner_busy_unit_ms | milliseconds times busy ppm times 1/720720ths of these; NULL where unknown
-- column: memory_used_bytes_max | largest memory in use
-- column: power_known_ms | the part of covered_ms whose power is known
-- column: power_milliwatt_ms | power of the whole device times time
-- column: energy_millijoules | energy since the sample before, in the hour in which the sample lies
-- column: temperature_celsius_max | highest device temperature
-- column: error_count | uncorrected memory errors and new XID codes since the sample before
-- column: counter_bits | which counters spoke: 1 gr_engine_active, 2 gpu_util, 4 neuroncore_utilization
-- column: flag_bits | quality flags as a bit set (see int_accelerator_hours)
-- column: first_sample_at | first sample
-- check:  fail | covered_ms between 1 and 3600000 | what happened in an hour lies within it
-- check:  fail | held_unit_ms + unknown_unit_ms <= covered_ms * 720720 | a device cannot be held more than once
-- window: usage_hour_at
-- lookback: 2 hours

with places as materialized (
    select
        *,
        -- of two samples of one instant the one with the smaller number speaks
        cast(
            dense_rank() over (
                order by
                    is_second_hand, source, instance_key, device_key, accelerator_id, instance_id, slice_count,
                    device_slice_count, instance_type, region, model_name, logical_core_count, owner_id, sharers_key
            ) as integer
        ) as place_number,
        cast(dense_rank() over (order by accelerator_id, instance_id) as integer) as series_number,
        case when owner_id = '' then 0 else 720720 end as held_units,
    from int_accelerator_places
    where seen_hour_at >= $start_at - interval 2 hours and seen_hour_at < $end_at + interval 2 hours
),

named_places as (
    select distinct
        * exclude (
            seen_hour_at, label_key, valid_from_at, valid_until_at, is_contested, is_time_guessed, first_at, last_at,
            series_number, held_units, is_second_hand
        ),
    from places
),

gpus as (
    select
        * exclude (delivery_id, memory_temperature_celsius),
        false as is_time_guessed,
        false as is_folded,
    from stg_dcgm_samples
    where
        sample_at >= $start_at - interval 2 hours
        and sample_at < $end_at + interval 2 hours
        and (sample_at < $end_at or epoch_ms(sample_at) - 2 * cadence_ms < epoch_ms($end_at)) -- or reaches back
    union all by name
    select
        * exclude (hostname, device_key, owner_label_keys),
        true as is_folded,
    from int_gpu_copies
    where sample_at >= $start_at - interval 2 hours and sample_at < $end_at + interval 2 hours
),

samples as (
    select
        p.place_number,
        p.series_number,
        g.sample_at,
        cast(least(g.cadence_ms, 3600000) as integer) as cadence_ms,
        g.busy_ppm,
        g.achieved_ppm,
        g.memory_used_bytes,
        g.power_milliwatts,
        g.energy_millijoules as energy_counter,
        g.temperature_celsius,
        g.xid_code,
        g.uncorrected_error_count,
        cast(g.counter_bits as tinyint) as counter_bits,
        cast(
            case when g.is_scale_suspect then 8 else 0 end + case when g.is_time_guessed or p.is_time_guessed then 256 else 0 end
            as smallint
        ) as flag_bits,
        p.held_units,
        case when p.held_units = 0 and g.busy_ppm > 0 then 720720 else 0 end as unknown_units,
        case when p.held_units > 0 then cast(g.busy_ppm as bigint) * 720720 end as owner_busy_units,
        p.device_slice_count > 1 or p.held_units > 0 and coalesce(g.busy_ppm < 50000, false) as stands_alone,
    from gpus as g
    join places as p
        on
            g.label_key = p.label_key
            and g.is_folded = p.is_contested
            and g.sample_at >= p.valid_from_at
            and g.sample_at < p.valid_until_at
    anti join int_silent_samples as silent
        on
            g.label_key = silent.label_key
            and g.sample_at = silent.sample_at
            and silent.sample_at >= $start_at - interval 2 hours
            and silent.sample_at < $end_at + interval 2 hours
    union all by name
    select
        p.place_number,
        p.series_number,
        d.sample_at,
        cast(least(d.cadence_ms, 3600000) as integer) as cadence_ms,
        cast(d.busy_ppm as integer) as busy_ppm,
        d.memory_used_bytes,
        d.uncorrected_error_count,
        cast(case when d.busy_ppm is not null then 4 else 0 end as tinyint) as counter_bits,
        cast(d.flag_bits as smallint) as flag_bits,
        cast(d.held_units as integer) as held_units,
        cast(d.unknown_units as integer) as unknown_units,
        d.owner_busy_units,
        d.held_units > 0 and (d.owner_id is null or coalesce(d.owner_busy_units < 50000 * d.held_units, false))
            as stands_alone,
    from int_neuron_samples as d
    join places as p using (label_key)
    where d.sample_at >= $start_at - interval 2 hours and d.sample_at < $end_at + interval 2 hours
    union all by name
    select
        p.place_number,
        p.series_number,
        i.sample_at,
        cast(least(i.period_ms, 3600000) as integer) as cadence_ms,
        i.busy_ppm,
        i.memory_used_bytes,
        i.power_milliwatts,
        i.temperature_celsius,
        cast(case when i.busy_ppm is not null then 2 else 0 end as tinyint) as counter_bits,
        cast(case when i.is_scale_suspect then 8 else 0 end as smallint) as flag_bits,
        0 as held_units,
        case when i.busy_ppm > 0 then 720720 else 0 end as unknown_units,
        false as stands_alone,
    from int_cloudwatch_gpus as i
    join places as p using (label_key)
    where i.sample_at >= $start_at - interval 2 hours and i.sample_at < $end_at + interval 2 hours
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

-- a series without a sample in the two hours before may have one further back: then this is not its first
beginning as materialized (
    select distinct
        series_number,
        accelerator_id,
        instance_id,
        instance_key,
        device_key,
        valid_from_at,
        valid_until_at,
    from places
    where
        first_at >= $start_at
        and series_number not in (
            select seen.series_number from places as seen
            where seen.first_at < $start_at and not seen.is_contested
        )
),

returned as (
    select distinct new.series_number
    from beginning as new
    semi join int_accelerator_places as old
        on
            new.accelerator_id = old.accelerator_id
            and new.instance_id = old.instance_id
            and not old.is_contested
            and old.seen_hour_at < $start_at - interval 2 hours
    union
    select distinct new.series_number
    from beginning as new
    semi join int_gpu_copies as old
        on
            new.instance_key = old.hostname
            and new.device_key = old.device_key
            and new.valid_from_at <= old.sample_at
            and new.valid_until_at > old.sample_at
            and old.sample_at < $start_at - interval 2 hours
),

turned as (
    select distinct
        t.*,
        p.series_number,
    from int_mig_turns as t
    join places as p using (accelerator_id, instance_id)
    where t.sample_at >= $start_at - interval 2 hours and t.sample_at < $end_at + interval 2 hours
),

ends as (
    select
        g.*,
        -- least() passes over what is NULL
        cast(
            least(
                g.gap_ms,
                case when g.gap_ms is null and r.series_number is null then 1 else 2 end * g.cadence_ms,
                epoch_ms(g.sample_at) - epoch_ms(t.told_until_at)
            ) as integer
        ) as sample_ms,
        -- integers: calendar arithmetic costs six times as much
        cast((epoch_ms(g.sample_at) - 1) // 3600000 as integer) as end_hour,
        cast(least(sample_ms, epoch_ms(g.sample_at) - cast(end_hour as bigint) * 3600000) as integer) as end_ms,
    from gaps as g
    left join returned as r using (series_number)
    left join turned as t using (series_number, sample_at)
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
        t.*,
        t.end_hour - t.hours_back as usage_hour,
        cast(
            case
                when t.hours_back = 0 then t.end_ms
                else least(t.sample_ms - t.end_ms - (t.hours_back - 1) * 3600000, 3600000)
            end as bigint
        ) as covered_ms,
        case when t.stands_alone then t.sample_at end as alone_at,
    from parts as t
    -- a sample within a millisecond of the one before stands for no time
    where
        t.sample_ms > 0
        and t.end_hour - t.hours_back >= epoch_ms($start_at) // 3600000
        and t.end_hour - t.hours_back < epoch_ms($end_at) // 3600000
),

sums as (
    select
        usage_hour,
        place_number,
        alone_at,
        max(sample_at) as sample_at,
        min(sample_at) as first_sample_at,
        sum(covered_ms) as covered_ms,
        sum(covered_ms) filter (where busy_ppm is not null) as busy_known_ms,
        sum(covered_ms * busy_ppm) as busy_ppm_ms,
        sum(covered_ms) filter (where achieved_ppm is not null) as achieved_known_ms,
        sum(covered_ms * achieved_ppm) as achieved_ppm_ms,
        sum(covered_ms * held_units) as held_unit_ms,
        sum(covered_ms * unknown_units) as unknown_unit_ms,
        sum(covered_ms * held_units) filter (where owner_busy_units is not null) as owner_known_unit_ms,
        sum(covered_ms * owner_busy_units) as owner_busy_unit_ms,
        max(memory_used_bytes) as memory_used_bytes_max,
        sum(covered_ms) filter (where power_milliwatts is not null) as power_known_ms,
        sum(covered_ms * power_milliwatts) as power_milliwatt_ms,
        sum(
            case
                -- no GPU draws 10 kW: a counter that says so was set, not counted
                when counter_change between 0 and gap_ms * 10000 and gap_ms = sample_ms then counter_change
                else power_milliwatts * sample_ms // 1000
            end
        ) filter (where hours_back = 0) as energy_millijoules,
        max(temperature_celsius) as temperature_celsius_max,
        -- against a sample that told it too, and not longer ago than any window looks back; a counter begins anew at 0
        coalesce(
            sum(
                coalesce(case when error_change < 0 then uncorrected_error_count else error_change end, 0)
                + case when xid_code <> 0 and xid_code <> xid_code_before then 1 else 0 end
            ) filter (where hours_back = 0 and gap_ms <= 7200000),
            0
        ) as error_count,
        bit_or(counter_bits) as counter_bits,
        bit_or(flag_bits) as flag_bits,
    from timed
    group by usage_hour, place_number, alone_at
)

select
    make_timestamptz(s.usage_hour * 3600000000) as usage_hour_at,
    p.accelerator_id,
    p.instance_id,
    s.sample_at,
    cast(s.covered_ms as bigint) as covered_ms,
    p.source,
    p.instance_key,
    p.device_key,
    p.device_id,
    p.slice_count,
    p.device_slice_count,
    p.instance_type,
    p.region,
    p.model_name,
    p.logical_core_count,
    p.owner_id,
    p.sharers_key,
    coalesce(s.alone_at is not null and s.owner_busy_unit_ms < 50000 * s.held_unit_ms, false) as is_idle,
    cast(coalesce(s.busy_known_ms, 0) as bigint) as busy_known_ms,
    cast(s.busy_ppm_ms as bigint) as busy_ppm_ms,
    cast(coalesce(s.achieved_known_ms, 0) as bigint) as achieved_known_ms,
    cast(s.achieved_ppm_ms as bigint) as achieved_ppm_ms,
    cast(s.held_unit_ms as bigint) as held_unit_ms,
    cast(s.unknown_unit_ms as bigint) as unknown_unit_ms,
    cast(coalesce(s.owner_known_unit_ms, 0) as bigint) as owner_known_unit_ms,
    cast(s.owner_busy_unit_ms as bigint) as owner_busy_unit_ms,
    s.memory_used_bytes_max,
    cast(coalesce(s.power_known_ms, 0) as bigint) as power_known_ms,
    cast(s.power_milliwatt_ms as hugeint) as power_milliwatt_ms,
    cast(s.energy_millijoules as bigint) as energy_millijoules,
    s.temperature_celsius_max,
    cast(s.error_count as bigint) as error_count,
    s.counter_bits,
    s.flag_bits,
    s.first_sample_at,
from sums as s
join named_places as p using (place_number)
