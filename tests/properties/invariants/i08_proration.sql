-- I8 Proration: an owner pays the line times its device seconds over all device seconds of the hour, wherever hours, days and months end.
with workloads as (
    select cost_line_id, split_part(workload_id, '/', 4) as workload, sum(units(effective_cost_usd)) as got
    from fct_cost_allocated_hourly
    where cost_class = 'workload'
    group by all
)

select bill_of(t.twin) as bill, told_as(t.twin) as told, l.cost_line_id, t.workload, coalesce(w.got, 0), t.held, t.total
from true_hours as t
join int_cost_lines as l
    on l.instance_id = t.instance_id and l.usage_hour_at = t.usage_hour_at and l.line_class = 'accelerator'
left join workloads as w on w.cost_line_id = l.cost_line_id and w.workload = t.workload
where abs(coalesce(w.got, 0) * t.total - units(l.effective_cost_usd) * t.held) >= t.total
