-- int_cost_explorer_totals: what each pull of Cost Explorer said of each account and day, in sum.
-- grain:  usage_date, account_id, pulled_at, record_type
-- column: usage_date | UTC day
-- column: account_id | linked account
-- column: pulled_at | when the last page of the pull came
-- column: record_type | record type
-- column: landed_number | highest number in the ledger of its pages
-- column: group_count | groups
-- column: billed_cost_usd | sum over the groups
-- column: effective_cost_usd | sum over the groups
-- check:  fail | billed_cost_usd is not null and effective_cost_usd is not null | a sum leaves nothing out
-- window: usage_date

select
    usage_date,
    account_id,
    pulled_at,
    record_type,
    max(landed_number) as landed_number,
    count(*) as group_count,
    cast(sum(unblended_cost) as decimal(38, 10)) as billed_cost_usd,
    cast(sum(effective_cost_usd) as decimal(38, 10)) as effective_cost_usd,
from stg_cost_explorer_pulls
where usage_date >= $start_at and usage_date < $end_at
group by usage_date, account_id, pulled_at, record_type
