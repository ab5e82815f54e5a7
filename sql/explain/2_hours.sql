-- The same money by hour and instance: these rows sum to the day.
select
    usage_hour_at,
    instance_id,
    instance_type,
    cost_status,
    count(distinct cost_line_id) as line_count,
    sum(effective_cost_usd) as effective_cost_usd,
    sum(billed_cost_usd) as billed_cost_usd,
from fct_cost_allocated_hourly
where cost_class = 'workload' and workload_id = $workload_id and usage_date = $usage_date
group by usage_hour_at, instance_id, instance_type, cost_status
order by usage_hour_at, instance_id, cost_status
