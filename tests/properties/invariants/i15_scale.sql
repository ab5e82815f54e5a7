-- I15 Scale: a bill of k times the amounts has k times the parts, to one unit of 1e-10 USD in either.
with told as (
    select
        bill_of(twin_of(account_id)) as bill, told_as(twin_of(account_id)) as told, usage_hour_at,
        line_key(cost_line_id) as line_key, cost_class, plain(workload_id) as workload,
        units(billed_cost_usd) as billed, units(effective_cost_usd) as effective,
    from fct_cost_allocated_hourly
    where cost_status = 'billed' and line_key(cost_line_id) not like '%/%' and cost_source = 'cur'
)

select bill, usage_hour_at, line_key, cost_class, workload, a.effective, b.effective, k.factor
from (from told where told = 'base') as a
full join (from told where told = 'scaled') as b using (bill, usage_hour_at, line_key, cost_class, workload)
join true_bills as k on k.number = bill
where
    a.billed is null
    or b.billed is null
    or abs(a.billed * k.factor - b.billed) > k.factor
    or abs(a.effective * k.factor - b.effective) > k.factor
