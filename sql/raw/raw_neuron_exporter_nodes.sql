-- raw_neuron_exporter_nodes: nodes whose Neuron driver neuron-monitor-prometheus saw, one row per scrape.
-- grain:  delivery_id, sample_at, host, device_count, cores_per_device
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: sample_at | time of the scrape, or end of the step of a range query
-- column: cadence_ms | usual distance of samples: 30000 unless --interval says otherwise; the step of a range query
-- column: host | label instance_id, else the node's name
-- column: instance_type | EC2 instance type, '' when absent
-- column: region | AWS region, '' when absent
-- column: device_count | Neuron devices in the instance, -1 when absent
-- column: cores_per_device | logical NeuronCores per device, -1 when absent
-- column: device_memory_bytes | memory of one device, -1 when absent
-- check:  fail | cadence_ms > 0 | a sample must stand for some time
-- window: sample_at
create table if not exists raw_neuron_exporter_nodes (
    delivery_id uuid,
    sample_at timestamptz,
    cadence_ms bigint,
    host varchar,
    instance_type varchar,
    region varchar,
    device_count integer,
    cores_per_device integer,
    device_memory_bytes bigint
);
