-- stg_instance_types: what the EC2 API last said of each instance type.
-- grain:  instance_type
-- column: instance_type | EC2 instance type
-- column: accelerator_name | name of its accelerators, '' where the API names none
-- column: device_count | accelerators in one instance, 0 where the API names none
-- column: memory_bytes | memory of one accelerator, bytes; NULL where not told
-- column: cores_per_device | cores of one accelerator as the API counts them; NULL where not told
-- column: observed_at | when the API was asked
-- check:  fail | device_count >= 0 | a count is not negative

select
    instance_type,
    accelerator_name,
    device_count,
    memory_mib * 1048576 as memory_bytes,
    cores_per_device,
    observed_at,
from raw_instance_types
qualify row_number() over (partition by instance_type order by observed_at desc, delivery_id desc) = 1
