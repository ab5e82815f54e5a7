-- I2 Completeness: every line that was drawn is one line of the bill with at least one part; no part twice, none without a line.
select bill_of(t.twin) as bill, told_as(t.twin) as told, 'lines' as what, t.line_key as name, count(l.cost_line_id) as found
from true_lines as t
left join int_cost_lines as l on twin_of(l.account_id) = t.twin and line_key(l.cost_line_id) = t.line_key
where told_as(t.twin) not in ('focus', 'explorer')
group by all
having count(l.cost_line_id) <> 1
union all
select bill_of(t.twin), told_as(t.twin), 'number of lines', '', coalesce(l.found, 0) - t.drawn
from (select twin, count(*) as drawn from true_lines where told_as(twin) = 'focus' group by twin) as t
left join (
    select twin_of(account_id) as twin, count(*) as found from int_cost_lines where cost_source = 'focus' and line_key(cost_line_id) not like '%/%' group by twin
) as l using (twin)
where l.found is distinct from t.drawn
union all
select bill_of(twin_of(l.account_id)), '', 'no part', l.cost_line_id, 0
from int_cost_lines as l
anti join fct_cost_allocated_hourly as f using (cost_line_id)
union all
select bill_of(twin_of(f.account_id)), '', 'no line', f.cost_line_id, 1
from fct_cost_allocated_hourly as f
anti join int_cost_lines using (cost_line_id)
where f.cost_status = 'billed'
union all
select bill_of(twin_of(max(account_id))), '', 'twice', cost_line_id, count(*)
from fct_cost_allocated_hourly
group by usage_hour_at, cost_line_id, cost_class, workload_id, chip
having count(*) > 1
