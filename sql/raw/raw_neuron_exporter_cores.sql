-- raw_neuron_exporter_cores: what neuron-monitor-prometheus said of each core under each runtime.
-- grain:  delivery_id, sample_at, host, runtime_tag, core_index, pod_name, namespace, container_name
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: sample_at | time of the scrape, or end of the step of a range query
-- column: cadence_ms | usual distance of samples: 30000 unless --interval says otherwise; the step of a range query
-- column: host | label instance_id, else the node's name
-- column: instance_type | EC2 instance type, '' when absent
-- column: region | AWS region, '' when absent
-- column: runtime_tag | NEURON_PROCESS_TAG, or the process id as text
-- column: core_index | logical core, counted over the node; -1 for the runtime as a whole
-- column: pod_name | pod that holds the core, '' without --enable-k8s-info
-- column: namespace | namespace of that pod
-- column: container_name | container of that pod
-- column: utilization_ratio | share of the period executing, 0-1 (CloudWatch's percent under this name is divided by 100); NULL when not reported
-- column: memory_used_bytes | device memory of this runtime on this core, the kinds added up; NULL when not reported
-- check:  fail | core_index >= -1 | cores are counted from 0
-- check:  fail | cadence_ms > 0 | a sample must stand for some time
-- window: sample_at
create table if not exists raw_neuron_exporter_cores (
    delivery_id uuid,
    sample_at timestamptz,
    cadence_ms bigint,
    host varchar,
    instance_type varchar,
    region varchar,
    runtime_tag varchar,
    core_index integer,
    pod_name varchar,
    namespace varchar,
    container_name varchar,
    utilization_ratio double,
    memory_used_bytes double
);
