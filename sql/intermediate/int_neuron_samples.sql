-- int_neuron_samples: what each Neuron device did at each instant, by the one source that speaks of it.
-- grain:  instance_id, device_index, sample_at, label_key
-- column: instance_id | EC2 instance id
-- column: device_index | Neuron device
-- column: sample_at | end of the interval that the sample covers
-- column: label_key | names the place in int_accelerator_places
-- column: source | neuron_monitor or cloudwatch
-- column: instance_type | EC2 instance type
-- column: region | AWS region
-- column: logical_core_count | logical NeuronCores of the device
-- column: owner_id | the only known owner, '' for none, NULL where several share the device (see int_shared_holdings)
-- column: cadence_ms | sampling period, milliseconds
-- column: busy_ppm | mean over the device's cores of their busy share; NULL where no core could tell
-- column: memory_used_bytes | device memory in use; NULL where unknown
-- column: uncorrected_error_count | running count of uncorrected memory errors; NULL where not reported
-- column: held_units | cores held by known owners, in 1/720720ths of the device
-- column: unknown_units | cores held by nobody known, in 1/720720ths of the device
-- column: owner_busy_units | busy ppm times share units of the only known owner; NULL where several share it or its work is unknown
-- column: flag_bits | quality flags: 1 attribution_unreliable, 8 scale_suspect, 16 short_period, 32 sources_disagree, 256 time_guessed
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a device cannot work more than all of the time
-- window: sample_at
-- lookback: 1 hour

-- what another source said of the same minutes is never mixed in, but more than five points apart it is a doubt
with doubtful_periods as (
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
)

select
    n.instance_id,
    n.device_index,
    n.sample_at,
    n.label_key,
    'neuron_monitor' as source,
    n.instance_type,
    n.region,
    n.logical_core_count,
    n.owner_id,
    n.cadence_ms,
    n.busy_ppm,
    n.memory_used_bytes,
    n.uncorrected_error_count,
    n.held_units,
    n.unknown_units,
    n.owner_busy_units,
    n.flag_bits + case when d.instance_id is null then 0 else 32 end as flag_bits,
from int_neuron_devices as n
left join disagreements as d using (instance_id, device_index, sample_at)
where n.sample_at >= $start_at and n.sample_at < $end_at

union all

-- the first-hand source speaks wherever it has a sample in that minute
select
    c.instance_id,
    c.device_index,
    c.sample_at,
    c.label_key,
    'cloudwatch' as source,
    c.instance_type,
    c.region,
    c.logical_core_count,
    c.owner_id,
    c.cadence_ms,
    c.busy_ppm,
    c.memory_used_bytes,
    null as uncorrected_error_count,
    c.held_units,
    c.unknown_units,
    c.owner_busy_units,
    c.flag_bits,
from int_cloudwatch_devices as c
where
    c.sample_at >= $start_at
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
