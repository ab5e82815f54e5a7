-- int_accelerators: what each accelerator is: chip, instance, place.
-- grain:  accelerator_id, instance_id
-- column: accelerator_id | accelerator
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: device_id | physical device
-- column: chip | chip, from the model name or the instance type; other where unknown
-- column: vendor | AWS or NVIDIA
-- column: instance_type | EC2 instance type, '' where unknown
-- column: account_id | owning account, '' where unknown
-- column: region | AWS region, '' where unknown
-- column: cluster | cluster, '-' where unknown
-- column: logical_core_count | logical NeuronCores, 1 for a GPU
-- column: slice_count | compute slices of a MIG instance, 1 on a whole device
-- column: device_slice_count | compute slices of the whole device, 1 without MIG
-- column: memory_bytes | device memory of the chip, bytes; NULL where unknown
-- column: peak_bf16_flops | dense BF16 FLOP/s of the chip; NULL where unknown
-- column: list_usd_per_device_hour | public on-demand price of the instance over its devices; NULL where none is listed
-- column: valid_from_at | first hour in which it was seen
-- check:  fail | slice_count <= device_slice_count | an instance of a device is not more than the device

with newest as (
    select
        accelerator_id,
        instance_id,
        any_value(device_id) as device_id,
        any_value(vendor_hint) as vendor_hint,
        arg_max(instance_type, usage_hour_at) as telemetry_type,
        arg_max(region, usage_hour_at) as telemetry_region,
        arg_max(model_name, usage_hour_at) as model_name,
        arg_max(logical_core_count, usage_hour_at) as logical_core_count,
        arg_max(slice_count, usage_hour_at) as slice_count,
        arg_max(device_slice_count, usage_hour_at) as device_slice_count,
        min(usage_hour_at) as valid_from_at,
    from int_accelerator_hours
    group by accelerator_id, instance_id
),

models as (
    select
        m.model_name,
        min(c.chip) as chip,
    from (
        select distinct model_name from newest
        where model_name <> ''
    ) as m
    join seed_chips as c on regexp_matches(m.model_name, c.model_pattern, 'i')
    group by m.model_name
)

select
    n.accelerator_id,
    n.instance_id,
    n.device_id,
    coalesce(models.chip, t.chip, 'other') as chip,
    case when n.vendor_hint = 'neuron' then 'AWS' else 'NVIDIA' end as vendor,
    coalesce(i.instance_type, n.telemetry_type) as instance_type,
    coalesce(i.account_id, '') as account_id,
    coalesce(i.region, n.telemetry_region) as region,
    coalesce(i.cluster, '-') as cluster,
    n.logical_core_count,
    n.slice_count,
    n.device_slice_count,
    c.memory_bytes,
    c.peak_bf16_flops,
    cast(t.on_demand_usd_per_hour / t.device_count as decimal(18, 10)) as list_usd_per_device_hour,
    n.valid_from_at,
from newest as n
left join int_instances as i using (instance_id)
left join models using (model_name)
left join seed_instance_types as t on t.instance_type = coalesce(i.instance_type, n.telemetry_type)
left join seed_chips as c on c.chip = coalesce(models.chip, t.chip, 'other')
