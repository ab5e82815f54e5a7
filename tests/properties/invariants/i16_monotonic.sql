-- I16 Monotonic: whoever holds more device time pays no less of any line (to one unit, which largest remainder may move).
with told as (
    select
        bill_of(twin_of(account_id)) as bill, told_as(twin_of(account_id)) as told, line_key(cost_line_id) as line_key,
        sum(abs(units(effective_cost_usd))) as paid,
    from fct_cost_allocated_hourly
    where cost_class = 'workload' and split_part(workload_id, '/', 4) = 'wa' and cost_status = 'billed'
    group by all
)

select bill, line_key, a.paid, b.paid
from (from told where told = 'base') as a
left join (from told where told = 'more') as b using (bill, line_key)
where coalesce(b.paid, 0) < a.paid - 1
