-- Which owner held which device how long, how long it worked, and the rule that calls the owner this workload.
select
    h.usage_hour_at,
    h.instance_id,
    h.accelerator_id,
    replace(h.owner_id, chr(31), '/') as owner,
    w.attribution_rule,
    cast(h.held_ns / 1000000000 as decimal(18, 3)) as held_seconds,
    cast(h.busy_ns / 1000000000 as decimal(18, 3)) as busy_seconds,
from int_holdings as h
join int_owner_workloads as w using (usage_hour_at, instance_id, owner_id)
where w.workload_id = $workload_id and cast(h.usage_hour_at as date) = $usage_date
order by h.usage_hour_at, h.instance_id, h.accelerator_id, owner
