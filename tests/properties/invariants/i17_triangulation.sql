-- I17 Triangulation: CUR and FOCUS agree by day and record type; what Cost Explorer says otherwise is named, and nothing else is.
with days as (
    select
        bill_of(twin_of(account_id)) as bill, told_as(twin_of(account_id)) as told, usage_date, account_id[11:] as place,
        -- FOCUS bills what a plan covers with nothing and has no line that negates it
        case when record_type = 'SavingsPlanNegation' then 'SavingsPlanCoveredUsage' else record_type end as record_type,
        sum(billed_cost_usd) as billed, sum(effective_cost_usd) as effective,
    from int_cost_lines
    -- discounts and rounding are no lines in FOCUS
    where record_type not like '%Discount' and record_type <> 'Rounding'
    group by all
)

select bill, usage_date, record_type, c.billed, f.billed, c.effective, f.effective, '' as explanation
from (from days where told = 'base') as c
full join (from days where told = 'focus') as f using (bill, usage_date, place, record_type)
where (c.billed, c.effective) is distinct from (f.billed, f.effective)
union all
select bill, null, '', b.explorer_off_usd, d.off_usd, null, null, d.explanations
from true_bills as b
join (
    select
        bill_of(twin_of(account_id)) as bill, -sum(cost_explorer_difference_usd) as off_usd,
        string_agg(distinct explanation, ', ' order by explanation) filter (where cost_explorer_difference_usd <> 0)
            as explanations,
    from mart_reconciliation_daily
    where told_as(twin_of(account_id)) = 'base' and basis = 'billed'
    group by all
) as d on d.bill = b.number
where
    d.bill in (select bill_of(twin_of(account_id)) from raw_cost_explorer_groups where told_as(twin_of(account_id)) = 'base')
    and (b.explorer_off_usd, d.explanations) is distinct from (
        d.off_usd,
        case when b.explorer_off_usd = 0 then null when b.explorer_off_usd <= 0.01 then 'rounding' else 'unexplained' end
    )
