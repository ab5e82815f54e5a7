-- int_policy_hours: the instance-hours whose policy divides by request, and why it cannot where it cannot.
-- grain:  usage_hour_at, instance_id
-- column: usage_hour_at | UTC hour
-- column: instance_id | EC2 instance
-- column: allocation_policy | the policy that the settings ask for: scad or opencost
-- column: input_source | cur or pods: whose figures it weighs; '' where none
-- column: fallback_reason | '' where the policy speaks; else why device time divides the hour: no_pods, requests_unknown, hour_not_listed, unknown_owner, holder_without_request or no_capacity
-- check:  fail | fallback_reason in ('', 'no_pods', 'requests_unknown', 'hour_not_listed', 'unknown_owner', 'holder_without_request', 'no_capacity') | a policy that is not applied says why
-- check:  warn | fallback_reason = '' | the policy asked for lacks its inputs in these hours: device time divides them
-- window: usage_hour_at

with asked as (
    select
        h.usage_hour_at,
        h.instance_id,
        h.capacity_ns,
        t.allocation_policy,
        t.vcpu_count,
        t.host_memory_bytes,
    from int_instance_hours as h
    join int_type_policies as t using (instance_type)
    where t.is_by_request and h.usage_hour_at >= $start_at and h.usage_hour_at < $end_at
),

pods as (
    select
        usage_hour_at,
        instance_id,
        max(input_source) as input_source,
        bool_or(accelerator_ns is null or vcpu_millicore_ms is null or memory_kib_ms is null) as is_unknown,
        bool_or(is_open) as is_open,
    from int_pod_hours
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    group by usage_hour_at, instance_id
),

-- somebody works there whom no listing and no split row names
strangers as (
    select distinct
        h.usage_hour_at,
        h.instance_id,
    from int_holdings as h
    join asked using (usage_hour_at, instance_id)
    left join int_pod_hours as p
        on
            p.usage_hour_at = h.usage_hour_at
            and p.instance_id = h.instance_id
            and p.namespace = split_part(h.owner_id, chr(31), 2)
            and p.pod = split_part(h.owner_id, chr(31), 3)
            and split_part(h.owner_id, chr(31), 1) = 'pod'
            and p.usage_hour_at >= $start_at
            and p.usage_hour_at < $end_at
    where
        p.pod is null
        and h.held_ns > 0
        and h.usage_hour_at >= $start_at
        and h.usage_hour_at < $end_at
),

unknown_owners as (
    select distinct
        h.usage_hour_at,
        h.instance_id,
    from int_accelerator_hours as h
    join asked using (usage_hour_at, instance_id)
    where h.unknown_ns > 0 and h.usage_hour_at >= $start_at and h.usage_hour_at < $end_at
)

select
    a.usage_hour_at,
    a.instance_id,
    a.allocation_policy,
    coalesce(p.input_source, '') as input_source,
    case
        when a.capacity_ns = 0 or a.vcpu_count is null or a.host_memory_bytes is null then 'no_capacity'
        when p.instance_id is null then 'no_pods'
        when p.is_unknown then 'requests_unknown'
        when p.is_open then 'hour_not_listed'
        when u.instance_id is not null then 'unknown_owner'
        when s.instance_id is not null then 'holder_without_request'
        else ''
    end as fallback_reason,
from asked as a
left join pods as p using (usage_hour_at, instance_id)
left join unknown_owners as u using (usage_hour_at, instance_id)
left join strangers as s using (usage_hour_at, instance_id)
