-- int_core_samples: what suppliers other than neuron-monitor say of each NeuronCore: one row per supplier, core and period.
-- grain:  source, account_id, region, cluster, instance_id, core_index, sample_at
-- column: source | supplier: emf, neuron_prometheus, prometheus_api, cloudwatch or metric_stream
-- column: account_id | account the figures were read in, '' where the supplier does not say
-- column: region | AWS region, '' where the supplier does not say
-- column: cluster | cluster, '' where the supplier does not say
-- column: instance_id | EC2 instance id
-- column: instance_type | EC2 instance type
-- column: device_index | Neuron device
-- column: core_index | logical core, numbered over the whole instance
-- column: logical_core_count | logical NeuronCores of the device, NULL where the supplier does not say
-- column: sample_at | end of the period
-- column: cadence_ms | period, milliseconds
-- column: busy_ppm | parts per million of the period that the core executed; NULL where the supplier's zero is doubtful
-- column: memory_used_bytes | device memory in use by the core
-- column: flag_bits | quality flags: 1 attribution_unreliable, 8 scale_suspect, 128 synthetic_zero_suspect, 256 time_guessed
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a core cannot work more than all of the time
-- check:  fail | cadence_ms > 0 | a sample must stand for some time
-- window: sample_at
-- lookback: 20 minutes

-- the agent tells the same by metrics and by log events
with told as (
    select
        *,
        'metrics' as way,
        false as is_misattributed,
    from int_cloudwatch_cores
    where sample_at >= $start_at - interval 20 minutes and sample_at < $end_at + interval 20 minutes
    union all by name
    select
        *,
        'events' as way,
    from int_emf_cores
    where sample_at >= $start_at - interval 20 minutes and sample_at < $end_at + interval 20 minutes
),

agents as (
    select
        *,
        -- a loaded runtime holds memory, even while it waits
        bool_and(busy_ppm = 0 and memory_used_bytes = 0) over (
            partition by way, account_id, region, cluster, host, sample_at
        ) as is_empty,
    from told
),

nodes as (
    select
        way,
        account_id,
        region,
        cluster,
        host,
        sample_at,
        max(period_ms) as period_ms,
        bool_or(coalesce(is_empty, false)) as is_empty,
    from agents
    group by way, account_id, region, cluster, host, sample_at
),

-- five minutes of silence end a run, so that no run reaches beyond what the window sees
turns as (
    select
        *,
        lag(is_empty) over node_minutes as was_empty,
        coalesce(sample_at - lag(sample_at) over node_minutes > interval 5 minutes, true) as is_after_silence,
    from nodes
    window node_minutes as (partition by way, account_id, region, cluster, host order by sample_at)
),

runs as (
    select
        *,
        sum(case when is_after_silence or is_empty <> was_empty then 1 else 0 end) over (
            partition by way, account_id, region, cluster, host order by sample_at
        ) as run_number,
    from turns
),

-- the agent prints zeros for series that it lost: under three minutes of them, right after work, are no idleness
doubtful as (
    select
        way,
        account_id,
        region,
        cluster,
        host,
        unnest(list(sample_at)) as sample_at,
    from runs
    where is_empty
    group by way, account_id, region, cluster, host, run_number
    having sum(period_ms) < 180000 and bool_or(not was_empty and not is_after_silence)
)

select
    c.source,
    c.account_id,
    c.region,
    c.cluster,
    c.host as instance_id,
    c.instance_type,
    c.device_index,
    c.core_index,
    cast(null as integer) as logical_core_count,
    c.sample_at,
    c.period_ms as cadence_ms,
    case when d.host is null then c.busy_ppm end as busy_ppm,
    c.memory_used_bytes,
    case when c.is_misattributed then 1 else 0 end
    + case when c.is_scale_suspect then 8 else 0 end
    + case when d.host is null then 0 else 128 end as flag_bits,
from agents as c
left join doubtful as d using (way, account_id, region, cluster, host, sample_at)
where c.sample_at >= $start_at and c.sample_at < $end_at

union all

select
    source,
    '' as account_id,
    region,
    '' as cluster,
    instance_id,
    instance_type,
    device_index,
    core_index,
    logical_core_count,
    sample_at,
    cadence_ms,
    busy_ppm,
    memory_used_bytes,
    flag_bits,
from int_exporter_cores
where sample_at >= $start_at and sample_at < $end_at
