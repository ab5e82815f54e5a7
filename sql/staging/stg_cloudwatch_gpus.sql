-- stg_cloudwatch_gpus: Container Insights GPU metrics of one dimension set, one row per GPU and period.
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
        and s.metric_name in (
            'node_gpu_utilization', 'node_gpu_memory_used', 'node_gpu_power_draw', 'node_gpu_temperature'
        )
        and s.gpu_device <> ''
    qualify row_number() over (
        partition by
            s.account_id, s.region, s.cluster, s.instance_id, s.gpu_device, s.metric_name, s.sample_at
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
            and c.gpu_device = f.gpu_device
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
),

measures as (
    select
        *,
        -- not least(): it would turn an unknown percentage into a full one
        case
            when metric_name = 'node_gpu_utilization' and value > 100 then 1000000
            when metric_name = 'node_gpu_utilization' and value >= 0 then value * 10000
        end as busy,
        case when metric_name = 'node_gpu_memory_used' and value between 0 and 1e15 then value end as memory_used,
        case when metric_name = 'node_gpu_power_draw' and value between 0 and 1e5 then value * 1000 end as power,
        case when metric_name = 'node_gpu_temperature' and value between -50 and 200 then value end as temperature,
    from finest
    where period_end_at >= $start_at and period_end_at < $end_at
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
        period_end_at as sample_at,
        max(period_ms) as period_ms,
        cast(round(max(busy)) as integer) as busy_ppm,
        cast(round(max(memory_used)) as bigint) as memory_used_bytes,
        cast(round(max(power)) as bigint) as power_milliwatts,
        cast(round(max(temperature)) as integer) as temperature_celsius,
        coalesce(bool_or(metric_name = 'node_gpu_utilization' and value > 100.5), false) as is_scale_suspect,
    from measures
    group by account_id, region, cluster, instance_id, gpu_device, period_end_at
)

select
    *,
    hash((epoch_ms(sample_at) - 1) // 3600000, source, instance_id, device_name, instance_type, region) as label_key,
from gpus
