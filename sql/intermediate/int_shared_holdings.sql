-- int_shared_holdings: the owners of Neuron devices that several share at one instant, with their shares and work.
-- grain:  source, instance_key, device_key, sample_at, owner_id
-- column: source | supplier of the sample
-- column: instance_key | instance id
-- column: device_key | Neuron device number, as in the sample
-- column: sample_at | instant of the sample
-- column: owner_id | owner: kind and its parts, separated by the unit separator
-- column: share_units | share of the device in 1/720720ths
-- column: owner_busy_units | busy ppm times share units of this owner; NULL where its work is unknown
-- check:  fail | share_units between 1 and 720720 | a share is a part of one device
-- window: sample_at

with neuron_shared as (
    select
        instance_id,
        device_index,
        sample_at,
    from int_neuron_devices
    where owner_id is null and sample_at >= $start_at and sample_at < $end_at
),

reported_shared as (
    select
        source,
        instance_id,
        device_index,
        sample_at,
        logical_core_count,
    from int_reported_devices
    where owner_id is null and sample_at >= $start_at and sample_at < $end_at
)

select
    'neuron_monitor' as source,
    o.instance_id as instance_key,
    cast(o.device_index as varchar) as device_key,
    o.sample_at,
    o.owner_id,
    cast(sum(o.share_units) as bigint) as share_units,
    cast(sum(o.busy_ppm_units) as bigint) as owner_busy_units,
from int_neuron_core_owners as o
join neuron_shared using (instance_id, device_index, sample_at)
where o.owner_id <> '' and o.sample_at >= $start_at and o.sample_at < $end_at
group by o.instance_id, o.device_index, o.sample_at, o.owner_id

union all

select
    o.source,
    o.instance_id as instance_key,
    cast(o.device_index as varchar) as device_key,
    o.sample_at,
    o.owner_id,
    cast(sum(720720 // c.logical_core_count // o.owner_count) as bigint) as share_units,
    -- the work of one core unknown: the owner's work is unknown
    case
        when count(o.core_busy_ppm) = count(*)
            then cast(sum(o.core_busy_ppm * (720720 // c.logical_core_count // o.owner_count)) as bigint)
    end as owner_busy_units,
from int_core_owners as o
join reported_shared as c using (source, instance_id, device_index, sample_at)
where o.sample_at >= $start_at and o.sample_at < $end_at
group by o.source, o.instance_id, o.device_index, o.sample_at, o.owner_id
