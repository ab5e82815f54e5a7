-- raw_dcgm_devices: the GPUs each delivery showed.
-- grain:  delivery_id, hostname, gpu_index, device, gpu_uuid, model_name
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: hostname | Hostname or hostname label, '' when absent
-- column: gpu_index | label gpu: index on the host, not stable over reboots
-- column: device | label device, like nvidia0
-- column: gpu_uuid | UUID of the physical GPU; under MIG the parent's
-- column: model_name | label modelName, as printed
-- column: first_at | first sample of the device in the delivery
-- column: last_at | last sample of the device in the delivery
-- check:  fail | first_at <= last_at | a device is seen from its first to its last sample
create table if not exists raw_dcgm_devices (
    delivery_id uuid,
    hostname varchar,
    gpu_index varchar,
    device varchar,
    gpu_uuid varchar,
    model_name varchar,
    first_at timestamptz,
    last_at timestamptz
);
