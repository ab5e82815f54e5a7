-- int_cost_explorer_days: what Cost Explorer says each account spent per UTC day and record type: the control total of the bill.
-- grain:  usage_date, account_id, record_type
-- column: usage_date | UTC day
-- column: account_id | linked account
-- column: record_type | record type
-- column: billed_cost_usd | UnblendedCost
-- column: blended_cost_usd | BlendedCost; NULL where it was not asked for all groups
-- column: effective_cost_usd | NetAmortizedCost where the payer has it, else AmortizedCost
-- column: is_estimated | AWS still calls the day estimated
-- column: pulled_at | when it was pulled
-- check:  fail | billed_cost_usd is not null | a day without a cost is no control
-- window: usage_date

select
    usage_date,
    account_id,
    record_type,
    cast(sum(billed_cost_usd) as decimal(38, 10)) as billed_cost_usd,
    case
        when count(blended_cost_usd) = count(*) then cast(sum(blended_cost_usd) as decimal(38, 10))
    end as blended_cost_usd,
    cast(sum(effective_cost_usd) as decimal(38, 10)) as effective_cost_usd,
    bool_or(is_estimated) as is_estimated,
    max(delivered_at) as pulled_at,
from stg_cost_explorer_groups
where usage_date >= $start_at and usage_date < $end_at
group by usage_date, account_id, record_type
