-- int_pod_hours: what each pod takes of its instance in each UTC hour, the greater of reserved and used, where the policy divides by request.
-- grain:  usage_hour_at, instance_id, namespace, pod
-- column: usage_hour_at | UTC hour
-- column: instance_id | EC2 instance
-- column: namespace | Kubernetes namespace
-- column: pod | pod name
-- column: owner_id | owner: kind and its parts, separated by the unit separator
-- column: input_source | cur: AWS's split rows; pods: a pod listing's requests and the device time held
-- column: accelerator_ns | device-nanoseconds; NULL where unknown
-- column: vcpu_millicore_ms | vCPU time in thousandths of a vCPU times milliseconds; NULL where unknown
-- column: memory_kib_ms | memory time in KiB times milliseconds; NULL where unknown
-- column: is_open | pods may be missing: they were not listed in that hour, or not yet after it
-- check:  fail | accelerator_ns >= 0 and vcpu_millicore_ms >= 0 and memory_kib_ms >= 0 | nobody takes a negative part
-- window: usage_hour_at

with asked as (
    select
        h.usage_hour_at,
        h.instance_id,
        t.logical_cores_per_device,
    from int_instance_hours as h
    join int_type_policies as t using (instance_type)
    where t.is_by_request and h.usage_hour_at >= $start_at and h.usage_hour_at < $end_at
),

-- what the instance's own devices say of cores and slices speaks before the catalogue
instances as (
    select
        instance_id,
        max(logical_core_count) filter (where vendor = 'AWS' and logical_core_count > 0) as logical_core_count,
        max(device_slice_count) as device_slice_count,
    from int_accelerators
    where instance_id in (select asked.instance_id from asked)
    group by instance_id
),

-- LNC may be another in the next hour
topology as (
    select
        a.usage_hour_at,
        a.instance_id,
        coalesce(
            max(h.logical_core_count) filter (where h.vendor_hint = 'neuron'), any_value(i.logical_core_count)
        ) as logical_core_count,
        any_value(i.device_slice_count) as device_slice_count,
    from asked as a
    join instances as i using (instance_id)
    left join int_accelerator_hours as h
        on
            a.usage_hour_at = h.usage_hour_at
            and a.instance_id = h.instance_id
            and h.usage_hour_at >= $start_at
            and h.usage_hour_at < $end_at
    group by a.usage_hour_at, a.instance_id
),

held as (
    select
        h.usage_hour_at,
        h.instance_id,
        split_part(h.owner_id, chr(31), 2) as namespace,
        split_part(h.owner_id, chr(31), 3) as pod,
        sum(h.held_ns * h.slice_count // h.device_slice_count) as held_ns,
    from int_holdings as h
    join asked using (usage_hour_at, instance_id)
    where
        split_part(h.owner_id, chr(31), 1) = 'pod'
        and h.usage_hour_at >= $start_at
        and h.usage_hour_at < $end_at
    group by h.usage_hour_at, h.instance_id, split_part(h.owner_id, chr(31), 2), split_part(h.owner_id, chr(31), 3)
),

-- hours of a unit; an amount that no instance can have is unknown
splits as (
    select
        s.usage_hour_at,
        s.instance_id,
        s.pod_namespace as namespace,
        s.pod_name as pod,
        s.resource,
        case when s.split_usage between 0 and 1000000 then s.split_usage end as unit_hours,
    from stg_cur_splits as s
    join asked using (usage_hour_at, instance_id)
    where s.pod_name <> '' and s.usage_hour_at >= $start_at and s.usage_hour_at < $end_at
),

split_hours as (
    select
        usage_hour_at,
        instance_id,
        bool_or(resource = 'accelerator') as tells_accelerators,
    from splits
    group by usage_hour_at, instance_id
),

split_sums as (
    select
        usage_hour_at,
        instance_id,
        namespace,
        pod,
        bool_or(unit_hours is null) as is_unknown,
        sum(unit_hours) filter (where resource = 'accelerator') as accelerator_hours,
        sum(unit_hours) filter (where resource = 'vcpu') as vcpu_hours,
        sum(unit_hours) filter (where resource = 'memory') as memory_hours,
    from splits
    group by usage_hour_at, instance_id, namespace, pod
),

told as (
    select
        s.usage_hour_at,
        s.instance_id,
        s.namespace,
        s.pod,
        'cur' as input_source,
        case
            when s.is_unknown then null
            when h.tells_accelerators then cast(round(coalesce(s.accelerator_hours, 0) * 3600000000000) as hugeint)
            else coalesce(d.held_ns, 0)
        end as accelerator_ns,
        case when not s.is_unknown then cast(round(s.vcpu_hours * 3600000000) as hugeint) end as vcpu_millicore_ms,
        case when not s.is_unknown then cast(round(s.memory_hours * 1048576 * 3600000) as hugeint) end as memory_kib_ms,
        false as is_open,
    from split_sums as s
    join split_hours as h using (usage_hour_at, instance_id)
    left join held as d using (usage_hour_at, instance_id, namespace, pod)
    union all by name
    select
        l.usage_hour_at,
        l.instance_id,
        l.namespace,
        l.pod,
        'pods' as input_source,
        case
            -- of a shared GPU a pod has what telemetry saw it hold
            when l.gpu_ms is null then nullif(d.held_ns, 0)
            when l.mig_slice_ms > 0 and coalesce(t.device_slice_count, 1) = 1 then null
            when l.neuron_core_ms > 0 and coalesce(t.logical_core_count, a.logical_cores_per_device) is null then null
            else greatest(
                coalesce(d.held_ns, 0),
                (l.gpu_ms + l.neuron_device_ms) * 1000000
                + l.mig_slice_ms * 1000000 // coalesce(t.device_slice_count, 1)
                + l.neuron_core_ms * 1000000 // coalesce(t.logical_core_count, a.logical_cores_per_device, 1)
            )
        end as accelerator_ns,
        l.vcpu_millicore_ms,
        l.memory_kib_ms,
        l.is_open,
    from int_listed_pod_hours as l
    join asked as a using (usage_hour_at, instance_id)
    left join topology as t using (usage_hour_at, instance_id)
    left join held as d using (usage_hour_at, instance_id, namespace, pod)
    anti join split_hours using (usage_hour_at, instance_id)
    where l.usage_hour_at >= $start_at and l.usage_hour_at < $end_at
)

select
    usage_hour_at,
    instance_id,
    namespace,
    pod,
    concat_ws(chr(31), 'pod', namespace, pod) as owner_id,
    input_source,
    cast(accelerator_ns as hugeint) as accelerator_ns,
    cast(vcpu_millicore_ms as hugeint) as vcpu_millicore_ms,
    cast(memory_kib_ms as hugeint) as memory_kib_ms,
    is_open,
from told
