-- raw_neuron_owners: the pods Kubernetes named for cores and devices.
-- grain:  delivery_id, report_number, core_index, device_index, pod_name, namespace, container_name
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: report_number | position of the report in its object, from 1
-- column: sample_at | end of the interval the report stands for
-- column: instance_id | EC2 instance, '' when the report does not say
-- column: core_index | logical core held, NULL when a device is named
-- column: device_index | device held, NULL when a core is named
-- column: pod_name | pod
-- column: namespace | namespace
-- column: container_name | container
-- check:  fail | core_index is not null or device_index is not null | an owner holds a core or a device
-- window: sample_at
create table if not exists raw_neuron_owners (
    delivery_id uuid,
    report_number bigint,
    sample_at timestamptz,
    instance_id varchar,
    core_index integer,
    device_index integer,
    pod_name varchar,
    namespace varchar,
    container_name varchar
);
