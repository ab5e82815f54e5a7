-- int_cloudwatch_gpus: Container Insights GPU metrics of one dimension set, one row per GPU and period.
-- grain:  account_id, region, cluster, instance_id, device_name, sample_at
-- column: source | cloudwatch, or metric_stream where the newest figure came that way
-- column: account_id | account the metrics were read in
-- column: region | AWS region
-- column: cluster | ClusterName
-- column: instance_id | InstanceId
-- column: node_name | NodeName
-- column: instance_type | InstanceType
-- column: device_name | GpuDevice, nvidia<N>
-- column: sample_at | end of the period (CloudWatch stamps its start)
-- column: label_key | hash of the hour and of what does not change from sample to sample: names the place in int_accelerator_places
-- column: period_ms | period, milliseconds
-- column: busy_ppm | parts per million of the period that the GPU was active (node_gpu_utilization, percent, from GPU_UTIL)
-- column: memory_used_bytes | node_gpu_memory_used
-- column: power_milliwatts | node_gpu_power_draw, watts
-- column: temperature_celsius | node_gpu_temperature
-- column: is_scale_suspect | a value above 100.5 percent was seen
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a GPU cannot work more than all of the time
-- check:  fail | temperature_celsius is null or temperature_celsius between -50 and 200 | a sentinel slipped through
-- window: sample_at

with measures as (
    select
        n.*,
        s.source,
        s.sample_at,
        s.period_ms,
        s.value,
        -- not least(): it would turn an unknown share into a full one
        case
            when n.metric_name = 'node_gpu_utilization' and s.value > 1 then 1000000
            when n.metric_name = 'node_gpu_utilization' and s.value >= 0 then s.value * 1000000
        end as busy,
        case when n.metric_name = 'node_gpu_memory_used' and s.value between 0 and 1e15 then s.value end as memory_used,
        case when n.metric_name = 'node_gpu_power_draw' and s.value between 0 and 1e5 then s.value * 1000 end as power,
        case when n.metric_name = 'node_gpu_temperature' and s.value between -50 and 200 then s.value end
            as temperature,
    from stg_cloudwatch_samples as s
    join stg_cloudwatch_series as n using (series_key)
    where
        s.sample_at >= $start_at
        and s.sample_at < $end_at
        and n.metric_name in (
            'node_gpu_utilization', 'node_gpu_memory_used', 'node_gpu_power_draw', 'node_gpu_temperature'
        )
        and n.gpu_device <> ''
),

gpus as (
    select
        -- one of the two speaks for the whole period
        max(source) as source,
        account_id,
        region,
        cluster,
        instance_id,
        max(node_name) as node_name,
        max(instance_type) as instance_type,
        gpu_device as device_name,
        sample_at,
        max(period_ms) as period_ms,
        cast(round(max(busy)) as integer) as busy_ppm,
        cast(round(max(memory_used)) as bigint) as memory_used_bytes,
        cast(round(max(power)) as bigint) as power_milliwatts,
        cast(round(max(temperature)) as integer) as temperature_celsius,
        coalesce(bool_or(metric_name = 'node_gpu_utilization' and value > 1.005), false) as is_scale_suspect,
    from measures
    group by account_id, region, cluster, instance_id, gpu_device, sample_at
)

select
    *,
    hash((epoch_ms(sample_at) - 1) // 3600000, source, instance_id, device_name, instance_type, region) as label_key,
from gpus
