-- I14 Zero denominators: an hour of no time, or of no use, keeps its money in a class; ratios are NULL or finite, never NaN.
select bill_of(twin_of(l.account_id)) as bill, l.cost_line_id, l.usage_ms, null as ratio
from int_cost_lines as l
anti join fct_cost_allocated_hourly as f using (cost_line_id)
where l.usage_ms = 0
union all
select bill_of(twin_of(f.account_id)), f.cost_line_id, null, null
from fct_cost_allocated_hourly as f
where not isfinite(cast(f.effective_cost_usd as double)) or f.effective_cost_usd is null or f.billed_cost_usd is null
union all
select cast(regexp_extract(workload_id, 't(\d{7})', 1) as integer) // 8, workload_id, null, utilization_ratio
from mart_workload_cost_daily
where
    effective_cost_usd is null
    or not coalesce(utilization_ratio between 0 and 1, true)
    or not coalesce(isfinite(cast(cost_per_busy_device_hour_usd as double)), true)
    or (coalesce(utilization_ratio, 0) = 0) <> (cost_per_busy_device_hour_usd is null)
    or abs(allocated_unused_cost_usd) > abs(effective_cost_usd)
