-- I9 Restatement: the newest delivery speaks alone; asked as of the first it says what it said then; the change is the bill's change.
with days as (
    select bill_of(twin_of(account_id)) as bill, told_as(twin_of(account_id)) as told, record_type, sum(allocated_usd) as usd
    from mart_reconciliation_daily
    where basis = 'billed'
    group by all
),

changes as (
    select bill, record_type, coalesce(n.usd, 0) - coalesce(o.usd, 0) as change_usd
    from (from days where told = 'base') as n
    full join (from days where told = 'first') as o using (bill, record_type)
)

select bill, record_type, change_usd, b.restated_usd as told_usd
from changes
join true_bills as b on b.number = bill
where change_usd <> case when record_type = 'Tax' then b.restated_usd else 0 end
