-- stg_cloudwatch_nodes: what Container Insights says of a Neuron node as a whole, one row per node and period.
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
-- lookback: 1 hour

with newest as (
    select
        s.*,
        s.sample_at + to_milliseconds(s.period_ms) as period_end_at,
    from raw_cloudwatch_samples as s
    join raw_deliveries as d using (delivery_id)
    where
        s.sample_at >= $start_at - interval 1 hour
        and s.sample_at < $end_at
        and s.metric_name = 'node_neurondevice_runtime_memory_used_bytes'
        and s.instance_id <> ''
    qualify row_number() over (
        partition by s.account_id, s.region, s.cluster, s.instance_id, s.sample_at
        order by d.observed_at desc, s.period_ms, delivery_id desc
    ) = 1
)

select
    account_id,
    region,
    cluster,
    instance_id,
    period_end_at as sample_at,
    period_ms,
    cast(round(case when value between 0 and 1e16 then value end) as bigint) as memory_used_bytes,
from newest
where period_end_at >= $start_at and period_end_at < $end_at
