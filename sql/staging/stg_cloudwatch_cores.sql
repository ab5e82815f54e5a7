-- stg_cloudwatch_cores: Container Insights Neuron core metrics of one dimension set, one row per core and period.
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
-- column: is_scale_suspect | a value above 100.5 percent was seen
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a core cannot work more than all of the time
-- window: sample_at
-- lookback: 1 hour

with newest as (
    select
        s.*,
        d.source,
        s.sample_at + to_milliseconds(s.period_ms) as period_end_at,
    from raw_cloudwatch_samples as s
    join raw_deliveries as d using (delivery_id)
    where
        s.sample_at >= $start_at - interval 1 hour
        and s.sample_at < $end_at
        and s.metric_name in ('node_neuroncore_utilization', 'node_neuroncore_memory_usage_total')
        and s.neuron_core <> ''
    qualify row_number() over (
        partition by
            s.account_id, s.region, s.cluster, s.instance_id, s.neuron_core, s.metric_name, s.sample_at
        order by s.period_ms, d.observed_at desc, delivery_id desc
    ) = 1
),

-- CloudWatch keeps old points coarser: where the minutes are known they speak. No period reaches over an hour's edge
coarse as (
    select c.*
    from newest as c
    anti join newest as f
        on
            c.account_id = f.account_id
            and c.region = f.region
            and c.cluster = f.cluster
            and c.instance_id = f.instance_id
            and c.neuron_core = f.neuron_core
            and c.metric_name = f.metric_name
            and epoch_ms(c.sample_at) // 3600000 = epoch_ms(f.sample_at) // 3600000
            and f.period_ms = 60000
            and c.sample_at <= f.sample_at
            and c.period_end_at > f.sample_at
    where c.period_ms > 60000
),

finest as (
    select * from newest
    where period_ms <= 60000
    union all
    select * from coarse
)

select
    -- one of the two speaks for the whole period
    max(source) as source,
    account_id,
    region,
    cluster,
    instance_id as host,
    max(instance_type) as instance_type,
    cast(max(regexp_extract(neuron_device, '(\d+)$', 1)) as integer) as device_index,
    cast(regexp_extract(neuron_core, '(\d+)$', 1) as integer) as core_index,
    period_end_at as sample_at,
    max(period_ms) as period_ms,
    -- not least(): it would turn an unknown percentage into a full one
    cast(
        round(
            max(case when value > 100 then 100 when value >= 0 then value end)
            filter (where metric_name = 'node_neuroncore_utilization') * 10000
        ) as bigint
    ) as busy_ppm,
    cast(
        round(
            max(case when value between 0 and 1e15 then value end)
            filter (where metric_name = 'node_neuroncore_memory_usage_total')
        ) as bigint
    ) as memory_used_bytes,
    coalesce(
        bool_or(value < 0 or metric_name = 'node_neuroncore_utilization' and value > 100.5 or value > 1e15), false
    ) as is_scale_suspect,
from finest
where period_end_at >= $start_at and period_end_at < $end_at
group by account_id, region, cluster, instance_id, neuron_core, period_end_at
