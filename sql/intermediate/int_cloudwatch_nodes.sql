-- int_cloudwatch_nodes: what Container Insights says of a Neuron node as a whole, one row per node and period.
-- grain:  account_id, region, cluster, instance_id, sample_at
-- column: account_id | account the metrics were read in
-- column: region | AWS region
-- column: cluster | ClusterName
-- column: instance_id | InstanceId
-- column: sample_at | end of the period (CloudWatch stamps its start)
-- column: period_ms | period, milliseconds
-- column: memory_used_bytes | node_neurondevice_runtime_memory_used_bytes
-- check:  fail | memory_used_bytes is null or memory_used_bytes >= 0 | memory in use is never negative
-- window: sample_at

select
    n.account_id,
    n.region,
    n.cluster,
    n.instance_id,
    s.sample_at,
    max(s.period_ms) as period_ms,
    cast(round(max(case when s.value between 0 and 1e16 then s.value end)) as bigint) as memory_used_bytes,
from stg_cloudwatch_samples as s
join stg_cloudwatch_series as n using (series_key)
where
    s.sample_at >= $start_at
    and s.sample_at < $end_at
    and n.metric_name = 'node_neurondevice_runtime_memory_used_bytes'
    and n.instance_id <> ''
group by n.account_id, n.region, n.cluster, n.instance_id, s.sample_at
