-- int_cloudwatch_cores: Container Insights Neuron core metrics of one dimension set, one row per core and period.
-- grain:  account_id, region, cluster, host, core_index, sample_at
-- column: source | cloudwatch, or metric_stream where the newest figure came that way
-- column: account_id | account the metrics were read in
-- column: region | AWS region
-- column: cluster | ClusterName
-- column: host | InstanceId for node figures; pod figures carry none and are matched by cluster, device and core
-- column: instance_type | InstanceType dimension
-- column: device_index | Neuron device
-- column: core_index | logical core, numbered over the whole instance
-- column: sample_at | end of the period (CloudWatch stamps its start)
-- column: period_ms | period, milliseconds
-- column: busy_ppm | parts per million of the period that the core executed (node_neuroncore_utilization, percent)
-- column: memory_used_bytes | node_neuroncore_memory_usage_total
-- column: is_scale_suspect | a value above 100.5 percent, or one that cannot be, was seen
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a core cannot work more than all of the time
-- window: sample_at

select
    -- one of the two speaks for the whole period
    max(s.source) as source,
    n.account_id,
    n.region,
    n.cluster,
    n.instance_id as host,
    max(n.instance_type) as instance_type,
    cast(max(regexp_extract(n.neuron_device, '(\d+)$', 1)) as integer) as device_index,
    cast(regexp_extract(n.neuron_core, '(\d+)$', 1) as integer) as core_index,
    s.sample_at,
    max(s.period_ms) as period_ms,
    -- not least(): it would turn an unknown share into a full one
    cast(
        round(
            max(case when s.value > 1 then 1 when s.value >= 0 then s.value end)
            filter (where n.metric_name = 'node_neuroncore_utilization') * 1000000
        ) as bigint
    ) as busy_ppm,
    cast(
        round(
            max(case when s.value between 0 and 1e15 then s.value end)
            filter (where n.metric_name = 'node_neuroncore_memory_usage_total')
        ) as bigint
    ) as memory_used_bytes,
    coalesce(
        bool_or(
            s.value < 0 or n.metric_name = 'node_neuroncore_utilization' and s.value > 1.005 or s.value > 1e15
        ),
        false
    ) as is_scale_suspect,
from stg_cloudwatch_samples as s
join stg_cloudwatch_series as n using (series_key)
where
    s.sample_at >= $start_at
    and s.sample_at < $end_at
    and n.metric_name in ('node_neuroncore_utilization', 'node_neuroncore_memory_usage_total')
    and n.neuron_core <> ''
group by n.account_id, n.region, n.cluster, n.instance_id, n.neuron_core, s.sample_at
