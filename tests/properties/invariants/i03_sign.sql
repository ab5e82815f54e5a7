-- I3 Non-negativity: a part has the sign of its line, and no idle time is negative.
select bill_of(twin_of(f.account_id)) as bill, f.cost_class, f.cost_line_id, l.billed_cost_usd, f.billed_cost_usd
from fct_cost_allocated_hourly as f
join int_cost_lines as l using (cost_line_id)
where
    l.billed_cost_usd * sign(f.billed_cost_usd) < 0
    or l.effective_cost_usd * sign(f.effective_cost_usd) < 0
    or l.list_cost_usd * sign(f.list_cost_usd) < 0
    or f.cost_class not in ('workload', 'idle.unallocated', 'idle.reserved_unused', 'shared', 'unattributed', 'adjustment')
    or (f.cost_class = 'workload') <> (f.workload_id <> '')
union all
select bill_of(twin_of(account_id)), cost_class, instance_id, weight_ns, null
from int_hour_weights
where weight_ns <= 0
union all
select bill_of(twin_of(account_id)), cost_class, instance_type, device_hours, null
from mart_idle_cost_daily
where device_hours < 0
