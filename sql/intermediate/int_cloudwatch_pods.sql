-- int_cloudwatch_pods: which pod Container Insights saw on which NeuronCore.
-- grain:  account_id, region, cluster, namespace, pod_name, container_name, core_index, device_index, sample_at
-- column: account_id | account the metrics were read in
-- column: region | AWS region
-- column: cluster | ClusterName
-- column: namespace | Kubernetes namespace
-- column: pod_name | full pod name where given, else the pod's workload name
-- column: container_name | container
-- column: device_index | Neuron device
-- column: core_index | logical core, numbered over the whole instance
-- column: sample_at | end of the period
-- column: busy_ppm | parts per million of the period that the core executed for this container
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a core cannot work more than all of the time
-- window: sample_at

select
    n.account_id,
    n.region,
    n.cluster,
    n.namespace,
    n.pod_name,
    n.container_name,
    cast(regexp_extract(n.neuron_device, '(\d+)$', 1) as integer) as device_index,
    cast(regexp_extract(n.neuron_core, '(\d+)$', 1) as integer) as core_index,
    s.sample_at,
    cast(round(max(case when s.value > 1 then 1 when s.value >= 0 then s.value end) * 1000000) as bigint) as busy_ppm,
from stg_cloudwatch_samples as s
join stg_cloudwatch_series as n using (series_key)
where
    s.sample_at >= $start_at
    and s.sample_at < $end_at
    and n.metric_name = 'container_neuroncore_utilization'
    and n.neuron_core <> ''
group by
    n.account_id, n.region, n.cluster, n.namespace, n.pod_name, n.container_name, n.neuron_device, n.neuron_core,
    s.sample_at
