-- Who else has a part of those instance-hours: device-hours of every class and workload, which are the weights, and by which policy.
select
    usage_hour_at,
    instance_id,
    cost_class,
    workload_id,
    cast(weight_ns / 3600000000000 as decimal(18, 6)) as device_hours,
    round(weight_ns / sum(weight_ns) over (partition by usage_hour_at, instance_id), 6) as share,
    allocation_policy,
    policy_fallback,
    is_oversubscribed,
from int_hour_weights
where
    (usage_hour_at, instance_id) in (
        select (w.usage_hour_at, w.instance_id)
        from int_hour_weights as w
        where w.workload_id = $workload_id and cast(w.usage_hour_at as date) = $usage_date
    )
order by usage_hour_at, instance_id, cost_class, workload_id
