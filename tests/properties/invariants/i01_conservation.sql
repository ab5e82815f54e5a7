-- I1 Conservation: the parts of every line sum to the line in every basis, and all parts to the bill that was drawn.
with parts as (
    select cost_line_id, sum(billed_cost_usd) as billed, sum(effective_cost_usd) as effective, sum(list_cost_usd) as list
    from fct_cost_allocated_hourly
    group by cost_line_id
),

allocated as (
    select
        twin_of(l.account_id) as twin, sum(p.billed) as billed, sum(p.effective) as effective, coalesce(sum(p.list), 0) as list
    from int_cost_lines as l
    join parts as p using (cost_line_id)
    group by twin
),

drawn as (
    select twin, sum(billed_usd) as billed, sum(effective_usd) as effective, coalesce(sum(list_usd), 0) as list
    from true_lines
    group by twin
)

select bill_of(twin_of(l.account_id)) as bill, 'line' as what, l.cost_line_id, l.billed_cost_usd, p.billed, l.effective_cost_usd, p.effective
from int_cost_lines as l
left join parts as p using (cost_line_id)
where
    l.billed_cost_usd is distinct from p.billed
    or l.effective_cost_usd is distinct from p.effective
    or l.list_cost_usd is distinct from p.list
union all
select bill_of(d.twin), 'bill', told_as(d.twin), d.billed, a.billed, d.effective, a.effective
from drawn as d
left join allocated as a using (twin)
where (d.billed, d.effective, d.list) is distinct from (a.billed, a.effective, a.list)
union all
select bill_of(twin_of(account_id)), 'reconciliation', record_type, bill_usd, allocated_usd, difference_usd, null
from mart_reconciliation_daily
where difference_usd <> 0
union all
select bill_of(d.twin), 'not reconciled', d.record_type, d.billed, r.bill_usd, null, null
from (
    select twin, usage_date, account_id, record_type, sum(billed_usd) as billed
    from true_lines
    group by all
) as d
left join mart_reconciliation_daily as r
    on r.usage_date = d.usage_date and r.account_id = d.account_id and r.record_type = d.record_type and r.basis = 'billed'
where d.billed is distinct from r.bill_usd
