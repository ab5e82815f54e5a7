-- int_hour_weights: how each instance-hour divides among workloads, idle and unattributed, by the one policy that speaks for it.
-- grain:  usage_hour_at, instance_id, cost_class, workload_id
-- column: usage_hour_at | UTC hour
-- column: instance_id | EC2 instance
-- column: cost_class | workload, idle.unallocated or unattributed
-- column: workload_id | workload, '' in the other classes
-- column: chip | chip of the instance
-- column: account_id | account that pays
-- column: region | AWS region
-- column: cluster | cluster, '-' where unknown
-- column: instance_type | EC2 instance type
-- column: is_spot | the inventory calls it a spot instance
-- column: allocation_policy | the policy that divided the hour: accelerator_only, mig_slices, scad or opencost
-- column: policy_fallback | '' where the settings ask for that policy; else why the one they ask for could not speak, as in int_policy_hours
-- column: weight_ns | device-nanoseconds of this part
-- column: is_oversubscribed | more was held than paid for; the parts are scaled down by normalising
-- check:  fail | weight_ns >= 0 | a part of an hour is never negative
-- check:  fail | query: select i.usage_hour_at, i.instance_id, sum(w.weight_ns) as weight_ns, max(i.capacity_ns) as capacity_ns from int_instance_hours as i left join int_hour_weights as w on w.usage_hour_at = i.usage_hour_at and w.instance_id = i.instance_id and w.usage_hour_at >= $start_at and w.usage_hour_at < $end_at where i.usage_hour_at >= $start_at and i.usage_hour_at < $end_at group by i.usage_hour_at, i.instance_id having sum(w.weight_ns) is null or sum(w.weight_ns) < max(i.capacity_ns) or (not bool_or(w.is_oversubscribed) and sum(w.weight_ns) > greatest(max(i.capacity_ns) + cast(max(i.device_count) as bigint) * 1000000000, 1)) or min(w.allocation_policy) <> max(w.allocation_policy) | the parts of an hour make the hour that was paid for, by one policy
-- check:  warn | not is_oversubscribed | more device time was held than paid for in these instance-hours
-- window: usage_hour_at

-- the hours that another policy divides
with by_request as (
    select *
    from int_policy_hours
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

hours as (
    select
        h.*,
        -- MIG instances weigh their slices under both names
        case when t.is_by_request then 'accelerator_only' else coalesce(t.allocation_policy, 'accelerator_only') end
            as allocation_policy,
        coalesce(r.fallback_reason, '') as policy_fallback,
    from int_instance_hours as h
    left join int_type_policies as t using (instance_type)
    left join by_request as r using (usage_hour_at, instance_id)
    where
        h.usage_hour_at >= $start_at
        and h.usage_hour_at < $end_at
        and r.fallback_reason is distinct from ''
),

workloads as (
    select
        h.usage_hour_at,
        h.instance_id,
        w.workload_id,
        sum(h.held_ns * h.slice_count // h.device_slice_count) as weight_ns,
    from int_holdings as h
    join int_owner_workloads as w using (usage_hour_at, instance_id, owner_id)
    where
        h.usage_hour_at >= $start_at
        and h.usage_hour_at < $end_at
        and w.usage_hour_at >= $start_at
        and w.usage_hour_at < $end_at
    group by h.usage_hour_at, h.instance_id, w.workload_id
),

known as (
    select
        usage_hour_at,
        instance_id,
        sum(weight_ns) as known_ns,
    from workloads
    group by usage_hour_at, instance_id
),

devices as (
    select
        usage_hour_at,
        instance_id,
        device_id,
        max(device_observed_ms) * 1000000 as observed_ns,
        sum(unknown_ns * slice_count // device_slice_count) as unknown_ns,
    from int_accelerator_hours
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    group by usage_hour_at, instance_id, device_id
),

observed as (
    select
        usage_hour_at,
        instance_id,
        sum(observed_ns) as observed_ns,
        sum(unknown_ns) as unknown_ns,
    from devices
    group by usage_hour_at, instance_id
),

totals as (
    select
        hours.*,
        coalesce(known.known_ns, 0) as known_ns,
        coalesce(observed.unknown_ns, 0) as unknown_ns,
        -- observed and not held, with the free slices and cores
        greatest(
            coalesce(observed.observed_ns, 0) - coalesce(known.known_ns, 0) - coalesce(observed.unknown_ns, 0), 0
        ) as idle_ns,
    from hours
    left join known using (usage_hour_at, instance_id)
    left join observed using (usage_hour_at, instance_id)
),

parts as (
    select
        usage_hour_at,
        instance_id,
        'workload' as cost_class,
        workload_id,
        weight_ns,
    from workloads
    union all
    select
        usage_hour_at,
        instance_id,
        'idle.unallocated' as cost_class,
        '' as workload_id,
        idle_ns as weight_ns,
    from totals
    where idle_ns > 0
    union all
    -- not observed, or held by an unknown owner; an hour with no weight at all is unattributed whole
    select
        usage_hour_at,
        instance_id,
        'unattributed' as cost_class,
        '' as workload_id,
        case
            when capacity_ns + known_ns + idle_ns + unknown_ns = 0 then 1
            else greatest(capacity_ns - known_ns - idle_ns, unknown_ns)
        end as weight_ns,
    from totals
)

select
    p.usage_hour_at,
    p.instance_id,
    p.cost_class,
    p.workload_id,
    t.chip,
    t.account_id,
    t.region,
    t.cluster,
    t.instance_type,
    t.is_spot,
    t.allocation_policy,
    t.policy_fallback,
    cast(p.weight_ns as bigint) as weight_ns,
    -- a second of clock skew is no oversubscription
    t.known_ns + t.idle_ns + t.unknown_ns > t.capacity_ns + cast(t.device_count as bigint) * 1000000000 as is_oversubscribed,
from parts as p
join totals as t using (usage_hour_at, instance_id)
where p.weight_ns > 0
union all
select
    w.usage_hour_at,
    w.instance_id,
    w.cost_class,
    w.workload_id,
    h.chip,
    h.account_id,
    h.region,
    h.cluster,
    h.instance_type,
    h.is_spot,
    r.allocation_policy,
    '' as policy_fallback,
    w.weight_ns,
    w.is_oversubscribed,
from int_request_weights as w
join by_request as r using (usage_hour_at, instance_id)
join int_instance_hours as h using (usage_hour_at, instance_id)
where
    w.usage_hour_at >= $start_at
    and w.usage_hour_at < $end_at
    and h.usage_hour_at >= $start_at
    and h.usage_hour_at < $end_at
