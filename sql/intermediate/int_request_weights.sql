-- int_request_weights: how an instance-hour divides by what its pods take of devices, vCPUs and memory (policies scad and opencost).
-- grain:  usage_hour_at, instance_id, cost_class, workload_id
-- column: usage_hour_at | UTC hour
-- column: instance_id | EC2 instance
-- column: cost_class | workload or idle.unallocated
-- column: workload_id | workload, '' where idle
-- column: accelerator_ns | its part of the hour's device-nanoseconds that stands for accelerators
-- column: vcpu_ns | its part that stands for vCPUs
-- column: memory_ns | its part that stands for memory
-- column: weight_ns | all three
-- column: is_oversubscribed | more device time was taken than paid for; the parts are scaled down, as are those of vCPUs and memory
-- check:  fail | accelerator_ns >= 0 and vcpu_ns >= 0 and memory_ns >= 0 | a part of an hour is never negative
-- check:  fail | query: select h.usage_hour_at, h.instance_id from int_policy_hours as h join int_instance_hours as i using (usage_hour_at, instance_id) left join int_request_weights as w using (usage_hour_at, instance_id) where h.fallback_reason = '' and h.usage_hour_at >= $start_at and h.usage_hour_at < $end_at and i.usage_hour_at >= $start_at and i.usage_hour_at < $end_at group by h.usage_hour_at, h.instance_id having sum(w.weight_ns) is distinct from max(i.capacity_ns) | the parts of an hour are the hour, to the nanosecond
-- window: usage_hour_at

with hours as (
    select
        h.usage_hour_at,
        h.instance_id,
        h.capacity_ns,
        h.capacity_ns // greatest(h.device_count, 1) as usage_ns,
        h.device_count,
        t.vcpu_count,
        t.host_memory_bytes,
        t.unused_goes_to,
        t.accelerator_weight,
        t.vcpu_weight,
        t.memory_weight,
    from int_policy_hours as p
    join int_instance_hours as h using (usage_hour_at, instance_id)
    join int_type_policies as t using (instance_type)
    where
        p.fallback_reason = ''
        and p.usage_hour_at >= $start_at
        and p.usage_hour_at < $end_at
        and h.usage_hour_at >= $start_at
        and h.usage_hour_at < $end_at
),

-- a pod is the workload of the container that holds most of its devices, else of the pod itself
owners as (
    select
        w.usage_hour_at,
        w.instance_id,
        split_part(w.owner_id, chr(31), 2) as namespace,
        split_part(w.owner_id, chr(31), 3) as pod,
        w.workload_id,
        coalesce(sum(g.held_ns), 0) as held_ns,
    from int_owner_workloads as w
    join hours using (usage_hour_at, instance_id)
    left join int_holdings as g
        on
            g.usage_hour_at = w.usage_hour_at
            and g.instance_id = w.instance_id
            and g.owner_id = w.owner_id
            and g.usage_hour_at >= $start_at
            and g.usage_hour_at < $end_at
    where
        split_part(w.owner_id, chr(31), 1) = 'pod'
        and w.usage_hour_at >= $start_at
        and w.usage_hour_at < $end_at
    group by w.usage_hour_at, w.instance_id, w.owner_id, w.workload_id
),

pods as (
    select
        usage_hour_at,
        instance_id,
        namespace,
        pod,
        arg_max(workload_id, (held_ns, workload_id)) as workload_id,
    from owners
    group by usage_hour_at, instance_id, namespace, pod
),

taken as (
    select
        p.usage_hour_at,
        p.instance_id,
        o.workload_id,
        sum(p.accelerator_ns) as accelerator,
        sum(p.vcpu_millicore_ms) as vcpu,
        sum(p.memory_kib_ms) as memory,
    from int_pod_hours as p
    join pods as o using (usage_hour_at, instance_id, namespace, pod)
    where p.usage_hour_at >= $start_at and p.usage_hour_at < $end_at
    group by p.usage_hour_at, p.instance_id, o.workload_id
),

-- what each resource of the instance counts, and how much of it there was
resources as (
    select
        usage_hour_at,
        instance_id,
        capacity_ns,
        unused_goes_to,
        unnest([1, 2, 3]) as resource_number,
        unnest(['accelerator', 'vcpu', 'memory']) as resource,
        unnest([
            cast(accelerator_weight * 10000000000 as hugeint) * device_count,
            cast(vcpu_weight * 10000000000 as hugeint) * vcpu_count,
            cast(memory_weight * 10000000000 as hugeint) * (host_memory_bytes // 1048576) // 1024
        ]) as worth,
        unnest([
            cast(usage_ns as hugeint) * device_count,
            cast(usage_ns as hugeint) // 1000000 * vcpu_count * 1000,
            cast(usage_ns as hugeint) // 1000000 * (host_memory_bytes // 1024)
        ]) as there_was,
    from hours
),

-- running sums, rounded down, differ by the parts: these sum to the whole without a remainder to place
worths as (
    select
        *,
        cast(sum(worth) over so_far as hugeint) as worth_so_far,
        cast(sum(worth) over (partition by usage_hour_at, instance_id) as hugeint) as worth_of_all,
    from resources
    window so_far as (partition by usage_hour_at, instance_id order by resource_number)
),

budgets as (
    select
        *,
        capacity_ns * worth_so_far // worth_of_all
        - capacity_ns * (worth_so_far - worth) // worth_of_all as budget_ns,
    from worths
),

takers as (
    select
        usage_hour_at,
        instance_id,
        workload_id,
        unnest(['accelerator', 'vcpu', 'memory']) as resource,
        unnest([accelerator, vcpu, memory]) as amount,
    from taken
),

sums as (
    select
        *,
        cast(sum(amount) over (
            partition by usage_hour_at, instance_id, resource order by workload_id
        ) as hugeint) as amount_so_far,
        cast(sum(amount) over (partition by usage_hour_at, instance_id, resource) as hugeint) as amount_of_all,
    from takers
),

measured as (
    select
        s.*,
        b.budget_ns,
        -- a second of clock skew is no oversubscription
        b.resource = 'accelerator' and s.amount_of_all * 3600 > b.there_was * 3601 as is_oversubscribed,
        -- who lays the unused part on the pods divides by what they took, else by what there was, or by more where more was taken
        case when b.unused_goes_to = 'pods' then s.amount_of_all else greatest(s.amount_of_all, b.there_was) end as divisor,
    from budgets as b
    join sums as s using (usage_hour_at, instance_id, resource)
),

shares as (
    select
        *,
        coalesce(
            budget_ns * amount_so_far // nullif(divisor, 0)
            - budget_ns * (amount_so_far - amount) // nullif(divisor, 0),
            0
        ) as part_ns,
    from measured
),

parts as (
    select
        usage_hour_at,
        instance_id,
        'workload' as cost_class,
        workload_id,
        resource,
        part_ns,
        is_oversubscribed,
    from shares
    union all by name
    -- nobody took it: idle, whatever the policy
    select
        usage_hour_at,
        instance_id,
        'idle.unallocated' as cost_class,
        '' as workload_id,
        resource,
        any_value(budget_ns) - sum(part_ns) as part_ns,
        bool_or(is_oversubscribed) as is_oversubscribed,
    from shares
    group by usage_hour_at, instance_id, resource
),

pivoted as (
    select
        usage_hour_at,
        instance_id,
        cost_class,
        workload_id,
        coalesce(sum(part_ns) filter (where resource = 'accelerator'), 0) as accelerator_ns,
        coalesce(sum(part_ns) filter (where resource = 'vcpu'), 0) as vcpu_ns,
        coalesce(sum(part_ns) filter (where resource = 'memory'), 0) as memory_ns,
        bool_or(is_oversubscribed) as is_oversubscribed,
    from parts
    group by usage_hour_at, instance_id, cost_class, workload_id
)

select
    usage_hour_at,
    instance_id,
    cost_class,
    workload_id,
    cast(accelerator_ns as bigint) as accelerator_ns,
    cast(vcpu_ns as bigint) as vcpu_ns,
    cast(memory_ns as bigint) as memory_ns,
    cast(accelerator_ns + vcpu_ns + memory_ns as bigint) as weight_ns,
    is_oversubscribed,
from pivoted
where accelerator_ns + vcpu_ns + memory_ns > 0
