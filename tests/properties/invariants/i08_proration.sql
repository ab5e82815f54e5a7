-- I8 Proration: an owner pays the line times its device time over all device time of the hour, wherever hours, days and months end.
with parts as (
    select
        cost_line_id, if(cost_class = 'workload', split_part(workload_id, '/', 4), '') as workload,
        sum(units(effective_cost_usd)) as got,
    from fct_cost_allocated_hourly
    where cost_class in ('workload', 'idle.unallocated')
    group by all
)

select bill_of(t.twin) as bill, told_as(t.twin) as told, l.cost_line_id, t.workload, coalesce(p.got, 0), t.held, t.total
from true_hours as t
join int_cost_lines as l
    on l.instance_id = t.instance_id and l.usage_hour_at = t.usage_hour_at and l.line_class = 'accelerator'
left join parts as p on p.cost_line_id = l.cost_line_id and p.workload = t.workload
where
    t.total > 0
    and abs(coalesce(p.got, 0) * t.total - units(l.effective_cost_usd) * t.held)
    >= t.total + if(t.is_exact, 0, abs(units(l.effective_cost_usd)) * 200 // 1000000000)
