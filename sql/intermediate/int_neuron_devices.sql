-- int_neuron_devices: one row per Neuron device and report, cores folded into their device.
-- grain:  instance_id, device_index, sample_at
-- column: instance_id | EC2 instance id
-- column: device_index | Neuron device
-- column: sample_at | end of the interval that the report covers
-- column: label_key | hash of the hour and of what does not change from sample to sample: names the place in int_accelerator_places
-- column: instance_type | EC2 instance type
-- column: region | AWS region
-- column: cadence_ms | sampling period, milliseconds
-- column: logical_core_count | logical NeuronCores of the device
-- column: busy_ppm | mean over the device's cores of their busy share; NULL where a core that is reported could not tell
-- column: memory_used_bytes | device memory in use; NULL where unknown
-- column: uncorrected_error_count | running count of uncorrected memory errors; NULL where not reported
-- column: owner_id | the only owner of the device's held cores, '' for none, NULL where several share it
-- column: held_units | cores held by known owners, in 1/720720ths of the device
-- column: unknown_units | cores held by runtimes without identity, in 1/720720ths of the device
-- column: owner_busy_units | busy ppm times share_units of the only known owner; NULL where several share it or its work is unknown
-- column: flag_bits | quality flags: 8 scale_suspect, 16 short_period, 256 time_guessed
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a device cannot work more than all of the time
-- check:  fail | held_units + unknown_units <= 720720 | a device cannot be held more than once
-- window: sample_at

with reports as materialized (
    select
        *,
        -- one number for the instance and the instant: what follows compares it millions of times
        cast(row_number() over () as integer) as report_key,
    from stg_neuron_reports
    where sample_at >= $start_at and sample_at < $end_at
),

devices as (
    select
        reports.*,
        unnest(range(device_count)) as device_index,
    from reports
),

cores as (
    select
        r.report_key,
        c.core_index // r.cores_per_device as device_index,
        -- a core that nobody reports is idle; one that is reported without a share that can be is unknown
        case
            when count(c.busy_ppm) = count(*)
                then cast(sum(c.busy_ppm) as bigint) // any_value(r.cores_per_device)
        end as busy_ppm,
        sum(c.memory_used_bytes) as memory_used_bytes,
        bool_or(c.is_scale_suspect) as is_scale_suspect,
    from stg_neuron_cores as c
    join reports as r using (delivery_id, report_number)
    where c.sample_at >= $start_at and c.sample_at < $end_at
    group by r.report_key, c.core_index // r.cores_per_device
),

-- numbered in order, so that the smallest number is the smallest name
owner_names as materialized (
    select
        owner_id,
        cast(row_number() over (order by owner_id) as integer) as owner_number,
    from (
        select distinct owner_id
        from int_neuron_core_owners
        where sample_at >= $start_at and sample_at < $end_at
    )
),

owners as (
    select
        r.report_key,
        o.device_index,
        min(n.owner_number) filter (where o.owner_id <> '') as first_owner_number,
        max(n.owner_number) filter (where o.owner_id <> '') as last_owner_number,
        coalesce(sum(o.share_units) filter (where o.owner_id <> ''), 0) as held_units,
        coalesce(sum(o.share_units) filter (where o.owner_id = ''), 0) as unknown_units,
        case
            when count(*) filter (where o.owner_id <> '') = count(o.busy_ppm_units) filter (where o.owner_id <> '')
                then coalesce(sum(o.busy_ppm_units) filter (where o.owner_id <> ''), 0)
        end as owner_busy_units,
    from int_neuron_core_owners as o
    join reports as r using (instance_id, sample_at)
    join owner_names as n using (owner_id)
    where o.sample_at >= $start_at and o.sample_at < $end_at
    group by r.report_key, o.device_index
),

ecc as (
    select
        delivery_id,
        report_number,
        device_index,
        uncorrected_error_count,
    from stg_neuron_ecc
    where sample_at >= $start_at and sample_at < $end_at
),

folded as (
    select
        d.instance_id,
        cast(d.device_index as integer) as device_index,
        d.sample_at,
        d.instance_type,
        d.region,
        d.cadence_ms,
        d.cores_per_device as logical_core_count,
        cast(
            case
                when c.device_index is not null then c.busy_ppm
                when d.runtime_count > 0 and d.has_counter_errors then null
                else 0
            end as bigint
        ) as busy_ppm,
        cast(case when d.has_counter_errors then c.memory_used_bytes else coalesce(c.memory_used_bytes, 0) end as bigint)
            as memory_used_bytes,
        ecc.uncorrected_error_count,
        case when o.first_owner_number <> o.last_owner_number then null else coalesce(n.owner_id, '') end as owner_id,
        cast(coalesce(o.held_units, 0) as bigint) as held_units,
        -- a loaded runtime whose counters failed holds something: nobody can say it is idle
        cast(
            case
                when d.runtime_count > 0 and d.has_counter_errors and c.device_index is null then 720720 - coalesce(o.held_units, 0)
                else coalesce(o.unknown_units, 0)
            end as bigint
        ) as unknown_units,
        cast(
            case
                when o.first_owner_number <> o.last_owner_number then null
                when o.device_index is null then 0
                else o.owner_busy_units
            end as bigint
        ) as owner_busy_units,
        case when coalesce(c.is_scale_suspect, false) then 8 else 0 end
        + case when d.is_short_period then 16 else 0 end
        + case when d.is_time_guessed then 256 else 0 end as flag_bits,
    from devices as d
    left join cores as c using (report_key, device_index)
    left join owners as o using (report_key, device_index)
    left join owner_names as n on o.first_owner_number = n.owner_number
    left join ecc using (delivery_id, report_number, device_index)
)

select
    *,
    hash(
        epoch_ms(sample_at) // 3600000, 'neuron_monitor', instance_id, device_index, instance_type, region,
        logical_core_count, owner_id
    ) as label_key,
from folded
