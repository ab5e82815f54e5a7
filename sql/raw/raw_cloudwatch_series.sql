-- raw_cloudwatch_series: every CloudWatch series ever met, once, since ListMetrics forgets one 14 days after its last point while the data stays 15 months.
-- grain:  series_key
-- column: series_key | first 8 bytes of blake2b over account, region, namespace, metric, statistic and dimensions
-- column: account_id | account the metric is read from
-- column: region | region the metric is read from
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
-- column: first_seen_at | data clock of the first listing that named it, NULL where only a stream did
-- column: last_seen_at | data clock of the newest listing that named it, NULL where only a stream did
-- check:  fail | first_seen_at is null or first_seen_at <= last_seen_at | a series cannot be forgotten before it was found
create table if not exists raw_cloudwatch_series (
    series_key bigint,
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
    first_seen_at timestamptz,
    last_seen_at timestamptz
);
