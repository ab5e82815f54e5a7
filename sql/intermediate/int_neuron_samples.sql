-- int_neuron_samples: what each Neuron device did at each instant, by the one source that speaks of it.
-- grain:  instance_id, device_index, sample_at, label_key
-- column: instance_id | EC2 instance id
-- column: device_index | Neuron device
-- column: sample_at | end of the interval that the sample covers
-- column: label_key | names the place in int_accelerator_places
-- column: source | supplier that speaks
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
-- column: flag_bits | quality flags: 1 attribution_unreliable, 8 scale_suspect, 16 short_period, 32 sources_disagree, 128 synthetic_zero_suspect, 256 time_guessed
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a device cannot work more than all of the time
-- window: sample_at
-- lookback: 1 hour

with told as materialized (
    select
        *,
        1 as precedence,
        'neuron_monitor' as source,
    from int_neuron_devices
    where sample_at >= $start_at - interval 1 hour and sample_at < $end_at + interval 1 hour
    union all by name
    select
        *,
        null as uncorrected_error_count,
    from int_reported_devices
    where sample_at >= $start_at - interval 1 hour and sample_at < $end_at + interval 1 hour
),

-- devices that one source alone tells of need no comparison
several as (
    select
        instance_id,
        device_index,
    from told
    group by instance_id, device_index
    having min(source) <> max(source)
),

-- a period of one source, and a sample that a better one gave in it
together as materialized (
    select
        c.source,
        c.instance_id,
        c.device_index,
        c.sample_at,
        c.busy_ppm,
        n.source as better_source,
        n.sample_at as better_sample_at,
        n.busy_ppm as better_busy_ppm,
        n.sample_at <= c.sample_at as is_inside,
    from told as c
    semi join several using (instance_id, device_index)
    join told as n
        on
            c.instance_id = n.instance_id
            and c.device_index = n.device_index
            and (n.precedence, n.source) < (c.precedence, c.source)
            and n.sample_at > c.sample_at - to_milliseconds(c.cadence_ms)
            and n.sample_at < c.sample_at + interval 1 minute
),

-- what another source said of the same minutes is never mixed in, but more than five points apart it is a doubt
disagreements as (
    select distinct
        better_source as source,
        instance_id,
        device_index,
        better_sample_at as sample_at,
    from together
    where
        is_inside
        and (source, instance_id, device_index, sample_at, better_source) in (
            select (t.source, t.instance_id, t.device_index, t.sample_at, t.better_source)
            from together as t
            where t.is_inside
            group by t.source, t.instance_id, t.device_index, t.sample_at, t.better_source, t.busy_ppm
            having
                abs(sum(t.better_busy_ppm) - t.busy_ppm * count(t.better_busy_ppm)) > 50000 * count(t.better_busy_ppm)
        )
)

select
    t.instance_id,
    t.device_index,
    t.sample_at,
    t.label_key,
    t.source,
    t.instance_type,
    t.region,
    t.logical_core_count,
    t.owner_id,
    t.cadence_ms,
    t.busy_ppm,
    t.memory_used_bytes,
    t.uncorrected_error_count,
    t.held_units,
    t.unknown_units,
    t.owner_busy_units,
    t.flag_bits + case when d.instance_id is null then 0 else 32 end as flag_bits,
from told as t
-- the first-hand source speaks wherever it has a sample in that minute
anti join together using (source, instance_id, device_index, sample_at)
left join disagreements as d using (source, instance_id, device_index, sample_at)
where t.sample_at >= $start_at and t.sample_at < $end_at
