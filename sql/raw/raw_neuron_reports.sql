-- raw_neuron_reports: neuron-monitor reports: one row per JSON document.
-- grain:  delivery_id, report_number
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: report_number | position of the report in its object, from 1
-- column: sample_at | end of the interval the report stands for
-- column: instance_id | EC2 instance, '' when the report does not say
-- column: instance_type | EC2 instance type, like trn2.48xlarge
-- column: instance_name | name of the instance
-- column: region | AWS region
-- column: availability_zone | availability zone
-- column: device_count | Neuron devices in the instance
-- column: cores_per_device | logical NeuronCores per device
-- column: lnc | physical cores per logical core, NULL when not reported
-- column: device_memory_bytes | memory of one device, NULL when not reported
-- column: cadence_ms | longest period of the system groups, else 5000
-- column: runtime_count | runtimes in the report
-- column: error_group_count | metric groups dropped because they carry an error
-- column: counter_error_count | runtimes without core counters: they failed, or are not collected
-- column: short_period | a used runtime group's period was under half the cadence
-- column: ultraserver_id | UltraServer, '' when none
-- check:  fail | cadence_ms > 0 | a report must stand for some time
-- window: sample_at
create table if not exists raw_neuron_reports (
    delivery_id uuid,
    report_number bigint,
    sample_at timestamptz,
    instance_id varchar,
    instance_type varchar,
    instance_name varchar,
    region varchar,
    availability_zone varchar,
    device_count integer,
    cores_per_device integer,
    lnc integer,
    device_memory_bytes bigint,
    cadence_ms bigint,
    runtime_count integer,
    error_group_count integer,
    counter_error_count integer,
    short_period boolean,
    ultraserver_id varchar
);
