-- stg_emf_cores: how busy each NeuronCore was in each minute, as Container Insights' log events tell it.
-- grain:  host, core_index, sample_at
-- column: source | emf
-- column: account_id | account of the log group, '' where the object does not say
-- column: region | AWS region, '' where the event does not say
-- column: cluster | ClusterName
-- column: host | EC2 instance id
-- column: instance_type | EC2 instance type
-- column: device_index | Neuron device; NULL where the event does not say
-- column: core_index | logical core, numbered over the whole instance
-- column: sample_at | end of the minute that holds the event
-- column: period_ms | one minute, as the agent scrapes
-- column: busy_ppm | parts per million of the sampled period that the core executed
-- column: memory_used_bytes | device memory in use on the core
-- column: is_scale_suspect | a value below 0 or above 100.5 percent
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a core cannot work more than all of the time
-- window: sample_at
-- lookback: 1 minute

with newest as (
    select
        c.*,
        make_timestamptz((epoch_us(c.sample_at) // 60000000 + 1) * 60000000) as minute_end_at,
    from raw_emf_cores as c
    join raw_deliveries as d using (delivery_id)
    where c.sample_at >= $start_at - interval 1 minute and c.sample_at < $end_at
    qualify row_number() over (
        partition by c.instance_id, c.core_index, epoch_us(c.sample_at) // 60000000
        order by
            d.observed_at desc, c.sample_at desc, delivery_id desc, c.utilization_percent desc nulls last,
            c.memory_used_bytes desc nulls last, c.account_id desc, c.region desc
    ) = 1
)

select
    'emf' as source,
    account_id,
    region,
    cluster,
    instance_id as host,
    instance_type,
    device_index,
    core_index,
    minute_end_at as sample_at,
    cast(60000 as bigint) as period_ms,
    -- not least(): it would turn an unknown percentage into a full one
    cast(
        round(case when utilization_percent > 100 then 100 when utilization_percent >= 0 then utilization_percent end * 10000)
        as bigint
    ) as busy_ppm,
    memory_used_bytes,
    coalesce(utilization_percent < 0 or utilization_percent > 100.5, false) as is_scale_suspect,
from newest
where minute_end_at >= $start_at and minute_end_at < $end_at
