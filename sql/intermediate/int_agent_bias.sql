-- int_agent_bias: where the CloudWatch agent contradicts itself: a node's Neuron memory beside the sum over its cores.
-- grain:  usage_hour_at, instance_id
-- column: usage_hour_at | UTC hour
-- column: instance_id | EC2 instance
-- column: compared_count | minutes in which both figures stand and memory is in use
-- column: biased_count | of these, minutes in which they are more than a tenth apart
-- column: node_memory_used_bytes | what the agent says of the node, summed over the compared minutes
-- column: core_memory_used_bytes | what it says of the cores, summed over the same minutes
-- check:  fail | biased_count <= compared_count | what is biased was compared
-- check:  warn | biased_count * 2 <= compared_count | the agent keeps the first of several runtimes: use no memory figure of this node, nor headroom derived from it
-- window: usage_hour_at
-- lookback: 1 hour

with cores as (
    select
        instance_id,
        sample_at,
        sum(memory_used_bytes) as memory_used_bytes,
    from int_core_samples
    where source in ('cloudwatch', 'metric_stream') and sample_at >= $start_at and sample_at <= $end_at
    group by instance_id, sample_at
),

compared as (
    select
        -- the hour in which the period lies, not its end
        date_trunc('hour', n.sample_at - to_milliseconds(n.period_ms)) as usage_hour_at,
        n.instance_id,
        n.memory_used_bytes as node_bytes,
        c.memory_used_bytes as core_bytes,
    from int_cloudwatch_nodes as n
    join cores as c using (instance_id, sample_at)
    where n.sample_at >= $start_at and n.sample_at <= $end_at and greatest(n.memory_used_bytes, c.memory_used_bytes) > 0
)

select
    usage_hour_at,
    instance_id,
    count(*) as compared_count,
    count(*) filter (where abs(node_bytes - core_bytes) * 10 > greatest(node_bytes, core_bytes)) as biased_count,
    cast(sum(node_bytes) as bigint) as node_memory_used_bytes,
    cast(sum(core_bytes) as bigint) as core_memory_used_bytes,
from compared
where usage_hour_at >= $start_at and usage_hour_at < $end_at and node_bytes is not null and core_bytes is not null
group by usage_hour_at, instance_id
