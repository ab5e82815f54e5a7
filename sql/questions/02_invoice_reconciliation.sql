-- invoice_reconciliation: does what was allocated equal the bill, and what explains the rest to Cost Explorer?
-- column: bill_usd | sum of the lines of the bill
-- column: difference_usd | allocated minus bill: 0, or nothing would have been published
-- column: cost_explorer_difference_usd | bill minus Cost Explorer, over the days it was pulled for; NULL where it was not
-- column: explanations | categories of that difference, over the days that differ
-- column: compared_days | days that Cost Explorer was pulled for
-- limit:  by account and record type; the marts hold no service, so a service that is missing is not named here
-- param:  basis = 'billed' | billed or effective; the two are never added
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
select
    cast(date_trunc('month', usage_date) as date) as month_date,
    account_id,
    record_type,
    basis,
    sum(bill_usd) as bill_usd,
    sum(allocated_usd) as allocated_usd,
    sum(difference_usd) as difference_usd,
    sum(cost_explorer_usd) as cost_explorer_usd,
    sum(cost_explorer_difference_usd) as cost_explorer_difference_usd,
    coalesce(
        string_agg(distinct explanation, ', ' order by explanation)
        filter (where cost_explorer_difference_usd is distinct from 0), 'equal'
    ) as explanations,
    count(cost_explorer_usd) as compared_days,
from mart_reconciliation_daily
where basis = $basis and usage_date >= cast($from_date as date) and usage_date < cast($to_date as date)
group by month_date, account_id, record_type, basis
order by month_date, account_id, record_type
