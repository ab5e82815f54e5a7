-- int_gpu_aliases: the UUID of GPUs that were also seen without one.
-- grain:  hostname, device_name
-- column: hostname | host label
-- column: device_name | nvidia<N>
-- column: gpu_uuid | UUID seen at that place
-- column: valid_from_at | first sighting with or without UUID at that place
-- check:  fail | gpu_uuid <> '' | an alias leads to a UUID

select
    hostname,
    device_name,
    arg_max(gpu_uuid, last_at) filter (where gpu_uuid <> '') as gpu_uuid,
    min(first_at) as valid_from_at,
from stg_gpu_places
group by hostname, device_name
having bool_or(gpu_uuid = '') and bool_or(gpu_uuid <> '')
