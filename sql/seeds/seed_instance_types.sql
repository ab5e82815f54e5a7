-- seed_instance_types: accelerated EC2 instance types, their devices and on-demand list price.
-- grain:  instance_type
-- column: instance_type | EC2 instance type
-- column: chip | chip of its devices, as in seed_chips; other where we do not name it
-- column: device_count | accelerators in one instance
-- column: logical_cores_per_device | logical NeuronCores of one device under the default LNC; NULL for GPUs
-- column: vcpu_count | virtual CPUs of the instance
-- column: host_memory_bytes | memory of the instance, bytes
-- column: on_demand_usd_per_hour | public on-demand list price of the whole instance, USD per hour; NULL where none is listed
-- column: price_region | region of that price
-- column: price_date | day the price list was read
-- column: source | where the figures come from
-- check:  fail | device_count > 0 | an accelerated type has at least one device

select
    instance_type,
    chip,
    cast(device_count as integer) as device_count,
    cast(nullif(logical_cores_per_device, '') as integer) as logical_cores_per_device,
    cast(nullif(vcpu_count, '') as integer) as vcpu_count,
    cast(nullif(memory_gib, '') as bigint) * 1073741824 as host_memory_bytes,
    cast(nullif(on_demand_usd_per_hour, '') as decimal(18, 10)) as on_demand_usd_per_hour,
    coalesce(price_region, '') as price_region,
    cast(nullif(price_date, '') as date) as price_date,
    source,
from read_csv($seeds_dir || '/instance_types.csv', header = true, all_varchar = true)
