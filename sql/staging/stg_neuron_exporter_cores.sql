-- stg_neuron_exporter_cores: how busy each NeuronCore was as neuron-monitor-prometheus tells it, runtimes folded into their core first.
-- grain:  source, host, core_index, sample_at
-- column: source | neuron_prometheus for its text, prometheus_api for range queries
-- column: region | AWS region, '' where the labels do not say
-- column: host | EC2 instance id, else the node's name
-- column: instance_type | EC2 instance type, '' where the labels do not say
-- column: device_index | Neuron device
-- column: core_index | logical core, numbered over the whole instance
-- column: logical_core_count | logical NeuronCores of the device: as the node tells, else as its type has by default, and twice as many where a core is numbered beyond these (LNC 1)
-- column: sample_at | time of the scrape, or end of the step of a range query
-- column: period_ms | usual distance of samples, milliseconds
-- column: busy_ppm | parts per million of the period that the core executed: the maximum over its runtimes; 0 where no runtime is loaded on a core of a node that answers; NULL where no runtime could tell
-- column: memory_used_bytes | device memory held through this core, summed over runtimes
-- column: owner_ids | pods that hold the core, else runtimes with memory or work on it, sorted: kind and its parts, separated by the unit separator; a tag of digits is a process id and no identity
-- column: is_scale_suspect | a value above 1.005 or below 0 was seen
-- column: is_time_guessed | the time came from a file's modification time
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a core cannot work more than all of the time
-- window: sample_at

with seen as (
    select
        delivery_id,
        host,
        sample_at,
        cadence_ms,
    from raw_neuron_exporter_nodes
    where sample_at >= $start_at and sample_at < $end_at
    union
    select
        delivery_id,
        host,
        sample_at,
        cadence_ms,
    from raw_neuron_exporter_cores
    where sample_at >= $start_at and sample_at < $end_at
),

-- one delivery speaks for a host and an instant
scrapes as materialized (
    select
        delivery_id,
        s.host,
        s.sample_at,
        s.cadence_ms as period_ms,
        d.source,
        d.time_guessed as is_time_guessed,
    from seen as s
    join raw_deliveries as d using (delivery_id)
    qualify row_number() over (
        partition by d.source, s.host, s.sample_at
        order by d.observed_at desc, delivery_id desc, s.cadence_ms
    ) = 1
),

-- a runtime's figures of a core stand once per pod and container that holds it
runtimes as materialized (
    select
        delivery_id,
        host,
        sample_at,
        runtime_tag,
        core_index,
        max(instance_type) as instance_type,
        max(region) as region,
        max(utilization_ratio) as utilization_ratio,
        bool_or(utilization_ratio < 0 or utilization_ratio > 1.005) as is_scale_suspect,
        max(case when memory_used_bytes between 0 and 1e15 then memory_used_bytes end) as memory_used_bytes,
        list(concat_ws(chr(31), 'pod', namespace, pod_name, container_name)) filter (where pod_name <> '') as pods,
    from raw_neuron_exporter_cores
    where sample_at >= $start_at and sample_at < $end_at
    group by delivery_id, host, sample_at, runtime_tag, core_index
),

told as (
    select
        delivery_id,
        host,
        sample_at,
        core_index,
        max(case when utilization_ratio > 1 then 1 when utilization_ratio >= 0 then utilization_ratio end) as busy_ratio,
        sum(memory_used_bytes) as memory_used_bytes,
        coalesce(bool_or(is_scale_suspect), false) as is_scale_suspect,
        flatten(list(pods) filter (where pods is not null)) as pods,
        list('tag' || chr(31) || runtime_tag) filter (
            where runtime_tag <> ''
            and not regexp_full_match(runtime_tag, '[0-9]+')
            and (utilization_ratio > 0 or memory_used_bytes > 0)
        ) as tags,
    from runtimes
    where core_index >= 0
    group by delivery_id, host, sample_at, core_index
),

-- a runtime without any core's utilization lost its counters: what the other cores do is unknown, not nothing
blind as (
    select distinct
        delivery_id,
        host,
        sample_at,
    from runtimes
    where
        core_index < 0
        and (delivery_id, host, sample_at, runtime_tag) not in (
            select (r.delivery_id, r.host, r.sample_at, r.runtime_tag)
            from runtimes as r
            where r.core_index >= 0 and r.utilization_ratio is not null
        )
),

described as (
    select
        delivery_id,
        host,
        sample_at,
        max(instance_type) as instance_type,
        max(region) as region,
        max(device_count) as device_count,
        max(cores_per_device) as cores_per_device,
        true as is_driver_seen,
    from raw_neuron_exporter_nodes
    where sample_at >= $start_at and sample_at < $end_at
    group by delivery_id, host, sample_at
    union all by name
    select
        delivery_id,
        host,
        sample_at,
        max(instance_type) as instance_type,
        max(region) as region,
        -1 as device_count,
        -1 as cores_per_device,
        false as is_driver_seen,
    from runtimes
    anti join raw_neuron_exporter_nodes using (delivery_id, host, sample_at)
    group by delivery_id, host, sample_at
),

-- what a node showed within an hour says how its cores are numbered
numbered as (
    select
        delivery_id,
        host,
        epoch_us(sample_at) // 3600000000 as hour_number,
        max(core_index) as last_core_index,
    from runtimes
    group by delivery_id, host, hour_number
),

nodes as (
    select
        s.*,
        d.instance_type,
        d.region,
        d.is_driver_seen,
        coalesce(case when d.device_count > 0 then d.device_count end, t.device_count) as device_count,
        coalesce(
            case when d.cores_per_device > 0 then d.cores_per_device end,
            case
                when n.last_core_index >= t.device_count * t.logical_cores_per_device then 2 * t.logical_cores_per_device
                else t.logical_cores_per_device
            end
        ) as cores_per_device,
    from scrapes as s
    join described as d using (delivery_id, host, sample_at)
    left join seed_instance_types as t on d.instance_type = t.instance_type
    left join numbered as n
        on
            s.delivery_id = n.delivery_id
            and s.host = n.host
            and epoch_us(s.sample_at) // 3600000000 = n.hour_number
),

-- the driver answers and no runtime is loaded: idle
cores as (
    select
        n.delivery_id,
        n.host,
        n.sample_at,
        unnest(range(n.device_count * n.cores_per_device)) as core_index,
    from nodes as n
    anti join blind using (delivery_id, host, sample_at)
    where n.is_driver_seen
    union
    select
        delivery_id,
        host,
        sample_at,
        core_index,
    from told
)

select
    n.source,
    n.region,
    n.host,
    n.instance_type,
    cast(c.core_index // n.cores_per_device as integer) as device_index,
    cast(c.core_index as integer) as core_index,
    cast(n.cores_per_device as integer) as logical_core_count,
    n.sample_at,
    n.period_ms,
    cast(case when t.core_index is null then 0 else round(t.busy_ratio * 1000000) end as bigint) as busy_ppm,
    cast(case when t.core_index is null then 0 else round(t.memory_used_bytes) end as bigint) as memory_used_bytes,
    list_sort(list_distinct(coalesce(case when len(t.pods) > 0 then t.pods else t.tags end, []))) as owner_ids,
    coalesce(t.is_scale_suspect, false) as is_scale_suspect,
    n.is_time_guessed,
from cores as c
join nodes as n using (delivery_id, host, sample_at)
left join told as t using (delivery_id, host, sample_at, core_index)
-- without hardware_info and without a known type nobody can say which device a core is on
where n.cores_per_device > 0
