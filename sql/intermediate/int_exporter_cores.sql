-- int_exporter_cores: neuron-monitor-prometheus' cores under the instance that their host was.
-- grain:  source, instance_id, core_index, sample_at
-- column: source | neuron_prometheus or prometheus_api
-- column: region | AWS region, '' where the labels do not say
-- column: instance_id | EC2 instance id; the node's name where no instance is known by it
-- column: instance_type | EC2 instance type, '' where the labels do not say
-- column: device_index | Neuron device
-- column: core_index | logical core, numbered over the whole instance
-- column: logical_core_count | logical NeuronCores of the device
-- column: sample_at | time of the scrape, or end of the step of a range query
-- column: cadence_ms | usual distance of samples, milliseconds
-- column: busy_ppm | parts per million of the period that the core executed; NULL where no runtime could tell
-- column: memory_used_bytes | device memory in use by the core
-- column: owner_ids | owners of the core, sorted
-- column: flag_bits | quality flags: 8 scale_suspect, 256 time_guessed
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a core cannot work more than all of the time
-- window: sample_at

select
    c.source,
    c.region,
    coalesce(nullif(h.instance_id, ''), c.host) as instance_id,
    c.instance_type,
    c.device_index,
    c.core_index,
    c.logical_core_count,
    c.sample_at,
    c.period_ms as cadence_ms,
    c.busy_ppm,
    c.memory_used_bytes,
    c.owner_ids,
    case when c.is_scale_suspect then 8 else 0 end + case when c.is_time_guessed then 256 else 0 end as flag_bits,
from stg_neuron_exporter_cores as c
left join int_hosts as h
    on c.host = h.hostname and c.sample_at >= h.valid_from_at and c.sample_at < h.valid_until_at
where c.sample_at >= $start_at and c.sample_at < $end_at
-- a node that shows itself by its name and by its id is one node
qualify row_number() over (
    partition by c.source, coalesce(nullif(h.instance_id, ''), c.host), c.core_index, c.sample_at
    order by h.instance_id is not null, c.host
) = 1
