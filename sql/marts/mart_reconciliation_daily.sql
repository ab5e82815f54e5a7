-- mart_reconciliation_daily: the bill beside what was allocated of it, and beside Cost Explorer, per UTC day.
-- grain:  usage_date, account_id, record_type, basis
-- column: usage_date | UTC day in which the lines start
-- column: account_id | usage account
-- column: record_type | record type of the lines
-- column: basis | billed or effective
-- column: bill_usd | sum of the lines of the bill
-- column: allocated_usd | sum of the allocated fact over all classes
-- column: difference_usd | allocated minus bill: 0
-- column: cost_explorer_usd | what Cost Explorer says for the same; NULL where it was not pulled
-- column: cost_explorer_difference_usd | bill minus Cost Explorer
-- column: explanation | category of that difference: equal, same source, rounding, capacity block, not pulled, another cloud, missing account, commitment treatment, another record type, another day, blended rates, amortisation basis, estimated, timing or unexplained
-- check:  fail | difference_usd = 0 | the allocation lost or made money
-- check:  warn | explanation <> 'unexplained' | the bill and Cost Explorer disagree by more than a cent, and nothing known says why
-- window: usage_date

with lines as (
    select
        usage_date,
        account_id,
        record_type,
        cost_line_id,
    from int_cost_lines
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

allocated as (
    select
        l.usage_date,
        l.account_id,
        l.record_type,
        sum(f.billed_cost_usd) as billed,
        sum(f.effective_cost_usd) as effective,
    from fct_cost_allocated_hourly as f
    join lines as l using (cost_line_id)
    where f.usage_hour_at >= $start_at and f.usage_hour_at < $end_at
    group by l.usage_date, l.account_id, l.record_type
)

select
    c.usage_date,
    c.account_id,
    c.record_type,
    c.basis,
    c.bill_usd,
    cast(coalesce(case c.basis when 'billed' then a.billed else a.effective end, 0) as decimal(38, 10)) as allocated_usd,
    cast(
        coalesce(case c.basis when 'billed' then a.billed else a.effective end, 0) - c.bill_usd as decimal(38, 10)
    ) as difference_usd,
    c.cost_explorer_usd,
    cast(c.bill_usd - c.cost_explorer_usd as decimal(38, 10)) as cost_explorer_difference_usd,
    c.explanation,
from int_bill_comparisons as c
left join allocated as a using (usage_date, account_id, record_type)
where c.usage_date >= $start_at and c.usage_date < $end_at
