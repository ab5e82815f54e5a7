-- What the workload cost on that day, by chip: the published figure to be explained.
select
    usage_date,
    chip,
    cost_status,
    effective_cost_usd,
    billed_cost_usd,
    device_hours,
    utilization_ratio,
    allocated_unused_cost_usd,
from mart_workload_cost_daily
where workload_id = $workload_id and usage_date = $usage_date
order by chip, cost_status
