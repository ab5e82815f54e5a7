-- stg_cloudwatch_pods: which pod Container Insights saw on which NeuronCore.
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
-- lookback: 1 hour

with newest as (
    select
        s.*,
        s.sample_at + to_milliseconds(s.period_ms) as period_end_at,
        coalesce(nullif(s.full_pod_name, ''), s.pod_name) as owner_pod,
    from raw_cloudwatch_samples as s
    join raw_deliveries as d using (delivery_id)
    where
        s.sample_at >= $start_at - interval 1 hour
        and s.sample_at < $end_at
        and s.metric_name = 'container_neuroncore_utilization'
        and s.neuron_core <> ''
    qualify row_number() over (
        partition by
            s.account_id, s.region, s.cluster, s.pod_namespace, s.full_pod_name, s.pod_name,
            s.container_name, s.neuron_device, s.neuron_core, s.sample_at
        order by d.observed_at desc, s.period_ms, delivery_id desc
    ) = 1
)

select
    account_id,
    region,
    cluster,
    pod_namespace as namespace,
    owner_pod as pod_name,
    container_name,
    cast(regexp_extract(neuron_device, '(\d+)$', 1) as integer) as device_index,
    cast(regexp_extract(neuron_core, '(\d+)$', 1) as integer) as core_index,
    period_end_at as sample_at,
    cast(round(case when max(value) > 100 then 100 else max(value) end * 10000) as bigint) as busy_ppm,
from newest
where period_end_at >= $start_at and period_end_at < $end_at
group by
    account_id, region, cluster, pod_namespace, owner_pod, container_name, neuron_device, neuron_core, period_end_at
