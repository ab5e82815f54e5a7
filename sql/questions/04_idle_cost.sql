-- idle_cost: what does idle cost by class, cluster, instance type and hour of the week?
-- column: hour_of_week | 0 is Monday 00:00 UTC, 167 Sunday 23:00 UTC
-- column: idle_cost_usd | effective USD over all such hours in the span
-- column: hours | distinct hours with that money: idle_cost_usd over hours is the mean
-- column: estimated_cost_usd | the part of idle_cost_usd that is estimated until the bill comes
-- limit:  unattributed money (not seen, or held by somebody without a name) is not idle: question 18 shows it
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
select
    cost_class,
    cluster,
    instance_type,
    cast((isodow(usage_date) - 1) * 24 + extract(hour from usage_hour_at) as integer) as hour_of_week,
    sum(effective_cost_usd) as idle_cost_usd,
    coalesce(sum(effective_cost_usd) filter (where cost_status = 'estimated'), 0) as estimated_cost_usd,
    count(distinct usage_hour_at) as hours,
from fct_cost_allocated_hourly
where
    cost_class in ('idle.unallocated', 'idle.reserved_unused')
    and usage_date >= cast($from_date as date) and usage_date < cast($to_date as date)
group by cost_class, cluster, instance_type, hour_of_week
order by idle_cost_usd desc, cost_class, cluster, instance_type, hour_of_week
