-- raw_cloudwatch_samples: datapoints of CloudWatch metrics, finest dimension set only.
-- grain:  delivery_id, account_id, region, cluster, sample_at, metric_name, statistic, instance_id, neuron_device, neuron_core, gpu_device, network_interface_id, pod_namespace, full_pod_name, container_name
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: sample_at | START of the period, as CloudWatch stamps it
-- column: period_ms | length of the period
-- column: account_id | account the metric was read from
-- column: region | region the metric was read from
-- column: metric_namespace | CloudWatch namespace
-- column: metric_name | CloudWatch metric name
-- column: statistic | Average, Maximum, Sum, ...
-- column: cluster | dimension ClusterName, '' when absent
-- column: instance_id | dimension InstanceId
-- column: instance_type | dimension InstanceType
-- column: node_name | dimension NodeName
-- column: neuron_device | dimension NeuronDevice, like device3
-- column: neuron_core | dimension NeuronCore, like core13
-- column: gpu_device | dimension GpuDevice, like nvidia0
-- column: network_interface_id | dimension NetworkInterfaceId of an EFA
-- column: pod_namespace | dimension Namespace
-- column: pod_name | dimension PodName
-- column: full_pod_name | dimension FullPodName
-- column: container_name | dimension ContainerName
-- column: value | value in the unit that seed_cloudwatch_metrics declares
-- check:  fail | period_ms > 0 | a datapoint must stand for some time
-- window: sample_at
create table if not exists raw_cloudwatch_samples (
    delivery_id uuid,
    sample_at timestamptz,
    period_ms bigint,
    account_id varchar,
    region varchar,
    metric_namespace varchar,
    metric_name varchar,
    statistic varchar,
    cluster varchar,
    instance_id varchar,
    instance_type varchar,
    node_name varchar,
    neuron_device varchar,
    neuron_core varchar,
    gpu_device varchar,
    network_interface_id varchar,
    pod_namespace varchar,
    pod_name varchar,
    full_pod_name varchar,
    container_name varchar,
    value double
);
