-- stg_cloudwatch_series: what each CloudWatch series measures, its dimensions by name.
-- grain:  series_key
-- column: series_key | names the series in stg_cloudwatch_samples
-- column: account_id | account the metric is read from
-- column: region | AWS region
-- column: metric_name | CloudWatch metric name
-- column: cluster | ClusterName
-- column: instance_id | InstanceId, '' for pod figures
-- column: instance_type | InstanceType
-- column: node_name | NodeName
-- column: neuron_device | NeuronDevice, like device3
-- column: neuron_core | NeuronCore, like core13
-- column: gpu_device | GpuDevice, nvidia<N>
-- column: network_interface_id | NetworkInterfaceId of an EFA
-- column: namespace | Kubernetes namespace
-- column: pod_name | full pod name where given, else the pod's workload name
-- column: container_name | container
-- column: last_seen_at | newest listing that named it
-- check:  fail | metric_name <> '' | a series measures something
-- window: last_seen_at
select
    series_key,
    account_id,
    region,
    metric_name,
    cluster,
    instance_id,
    instance_type,
    node_name,
    neuron_device,
    neuron_core,
    gpu_device,
    network_interface_id,
    pod_namespace as namespace,
    coalesce(nullif(full_pod_name, ''), pod_name) as pod_name,
    container_name,
    last_seen_at,
from raw_cloudwatch_series
