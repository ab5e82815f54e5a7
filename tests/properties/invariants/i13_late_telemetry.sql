-- I13 Late telemetry: before it comes the same lines have the same sums, all device time unattributed.
with told as (
    select
        bill_of(twin_of(account_id)) as bill, told_as(twin_of(account_id)) as told, line_key(cost_line_id) as line_key,
        sum(billed_cost_usd) as billed, sum(effective_cost_usd) as effective, sum(list_cost_usd) as list,
    from fct_cost_allocated_hourly
    where cost_status = 'billed' and cost_source = 'cur'
    group by all
)

select bill, line_key, a.billed, b.billed, a.effective, b.effective
from (from told where told = 'base') as a
full join (from told where told = 'blind') as b using (bill, line_key)
where (a.billed, a.effective, a.list) is distinct from (b.billed, b.effective, b.list)
union all
select bill_of(twin_of(f.account_id)), f.cost_class, f.billed_cost_usd, null, null, null
from fct_cost_allocated_hourly as f
join int_cost_lines as l using (cost_line_id)
where told_as(twin_of(f.account_id)) = 'blind' and l.line_class = 'accelerator' and f.cost_class <> 'unattributed'
