-- stg_gpu_places: at which place on which host each GPU was seen.
-- grain:  hostname, device_name, gpu_uuid
-- column: hostname | host label
-- column: device_name | nvidia<N>
-- column: gpu_uuid | GPU UUID, '' where the exporter gave none
-- column: first_at | first sighting
-- column: last_at | newest sighting
-- check:  fail | last_at >= first_at | sightings run forward

select
    hostname,
    coalesce(nullif(device, ''), 'nvidia' || gpu_index) as device_name,
    gpu_uuid,
    min(first_at) as first_at,
    max(last_at) as last_at,
from raw_dcgm_devices
group by hostname, coalesce(nullif(device, ''), 'nvidia' || gpu_index), gpu_uuid
