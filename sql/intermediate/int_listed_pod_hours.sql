-- int_listed_pod_hours: what each listed pod reserved in each UTC hour, on instances whose policy divides by request.
-- grain:  usage_hour_at, instance_id, namespace, pod
-- column: usage_hour_at | UTC hour
-- column: instance_id | EC2 instance
-- column: namespace | Kubernetes namespace
-- column: pod | pod name
-- column: running_ms | milliseconds in which it was there, by its start, its end or the last listing that shows it
-- column: vcpu_millicore_ms | reserved vCPU time; NULL where a listing tells no requests
-- column: memory_kib_ms | reserved memory time; NULL where a listing tells no requests
-- column: gpu_ms | reserved time of whole GPUs; NULL where a listing tells no requests, or replicas of shared GPUs
-- column: mig_slice_ms | reserved time of MIG compute slices
-- column: neuron_device_ms | reserved time of Neuron devices
-- column: neuron_core_ms | reserved time of logical NeuronCores
-- column: is_open | pods that are gone by now may be missing: nobody listed pods in that hour, or nobody yet after it
-- column: valid_from_at | the hour: what a new listing tells changes nothing before
-- check:  fail | running_ms between 1 and 3600000 | a pod is there for part of an hour, under one name at a time

with placed as (
    select
        p.*,
        coalesce(nullif(p.instance_id, ''), h.instance_id) as placed_id,
    from stg_pods as p
    left join int_hosts as h
        on p.node_name = h.hostname and p.created_at >= h.valid_from_at and p.created_at < h.valid_until_at
),

lives as (
    select
        p.*,
        unnest(generate_series(
            date_trunc('hour', p.started_at), p.seen_until_at - interval 1 millisecond, interval 1 hour
        )) as usage_hour_at,
    from placed as p
    join int_instances as i on p.placed_id = i.instance_id
    join int_type_policies as t using (instance_type)
    where t.is_by_request and p.seen_until_at > p.started_at
),

newest as (
    select max(listed_until_at) as listed_until_at
    from stg_pod_listings
),

hours as (
    select
        l.*,
        cast(
            epoch_ms(least(seen_until_at, usage_hour_at + interval 1 hour))
            - epoch_ms(greatest(started_at, usage_hour_at)) as hugeint
        ) as running_ms,
        g.listed_hour_at is null or n.listed_until_at < usage_hour_at + interval 1 hour as is_open,
    from lives as l
    cross join newest as n
    left join stg_pod_listings as g on l.usage_hour_at = g.listed_hour_at
)

select
    usage_hour_at,
    placed_id as instance_id,
    namespace,
    pod,
    cast(least(sum(running_ms), 3600000) as bigint) as running_ms,
    cast(case when count(*) = count(cpu_request_millicores) then sum(running_ms * cpu_request_millicores) end as hugeint)
        as vcpu_millicore_ms,
    cast(
        case when count(*) = count(memory_request_bytes) then sum(running_ms * (memory_request_bytes // 1024)) end
        as hugeint
    ) as memory_kib_ms,
    cast(case when count(*) = count(gpu_request_count) then sum(running_ms * gpu_request_count) end as hugeint) as gpu_ms,
    cast(sum(running_ms * mig_slice_request_count) as hugeint) as mig_slice_ms,
    cast(sum(running_ms * neuron_device_request_count) as hugeint) as neuron_device_ms,
    cast(sum(running_ms * neuron_core_request_count) as hugeint) as neuron_core_ms,
    bool_or(is_open) as is_open,
    usage_hour_at as valid_from_at,
from hours
where running_ms > 0
group by usage_hour_at, placed_id, namespace, pod
