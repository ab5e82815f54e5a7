-- stg_neuron_pods: which pods hold which NeuronCores, as the device plugin told neuron-monitor.
-- grain:  delivery_id, report_number, core_index, device_index, namespace, pod_name, container_name
-- column: delivery_id | delivery of the report
-- column: report_number | report within the delivery
-- column: core_index | logical core, numbered over the whole instance; -1 where the whole device is held
-- column: device_index | Neuron device; -1 where a core is held
-- column: namespace | Kubernetes namespace
-- column: pod_name | pod
-- column: container_name | container
-- column: sample_at | end of the interval that the report covers
-- check:  fail | core_index >= 0 or device_index >= 0 | a pod holds a core or a device
-- window: sample_at

select distinct
    delivery_id,
    report_number,
    coalesce(core_index, -1) as core_index,
    coalesce(device_index, -1) as device_index,
    namespace,
    pod_name,
    container_name,
    sample_at,
from raw_neuron_owners
where sample_at >= $start_at and sample_at < $end_at and pod_name <> ''
