-- I7 Capacity: device time sums to what was paid for, or the hour is flagged; nothing is seen, held or busy longer than an hour lasts.
with hours as (
    select
        usage_hour_at, instance_id, max(account_id) as account_id, sum(weight_ns) as weight_ns,
        bool_or(is_oversubscribed) as is_oversubscribed,
    from int_hour_weights
    group by usage_hour_at, instance_id
),

held as (
    select usage_hour_at, accelerator_id, instance_id, sum(held_seconds) as held_seconds
    from fct_workload_usage_hourly
    group by usage_hour_at, accelerator_id, instance_id
)

select bill_of(twin_of(i.account_id)) as bill, i.usage_hour_at, i.instance_id, h.weight_ns, i.capacity_ns
from int_instance_hours as i
left join hours as h using (usage_hour_at, instance_id)
where
    h.weight_ns is null
    or h.weight_ns < i.capacity_ns
    -- an hour without any time has one part all the same
    or (h.weight_ns > greatest(i.capacity_ns + cast(i.device_count as bigint) * 1000000000, 1) and not h.is_oversubscribed)
union all
select cast(concat('0x', instance_id[3:12]) as bigint) // 8, usage_hour_at, accelerator_id, h.held_seconds, u.allocated_seconds
from fct_accelerator_usage_hourly as u
left join held as h using (usage_hour_at, accelerator_id, instance_id)
where
    u.observed_seconds > 3600
    or u.allocated_seconds > u.observed_seconds
    or u.busy_seconds > u.observed_seconds
    or h.held_seconds > u.allocated_seconds
union all
select bill_of(t.twin), t.usage_hour_at, t.instance_id, t.device_seconds, i.capacity_ns
from (
    select twin, usage_hour_at, instance_id, sum(device_seconds) as device_seconds
    from true_lines
    where cost_class = 'accelerator' and told_as(twin) <> 'explorer'
    group by all
) as t
left join int_instance_hours as i using (usage_hour_at, instance_id)
where i.capacity_ns is distinct from t.device_seconds * 1000000000
