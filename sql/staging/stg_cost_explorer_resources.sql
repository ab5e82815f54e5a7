-- stg_cost_explorer_resources: the newest pull of each account-day by EC2 instance: a control beside the bill, never added to it.
-- grain:  usage_date, account_id, resource_id, usage_type
-- column: usage_date | UTC day
-- column: account_id | linked account
-- column: resource_id | EC2 instance or other resource, '' for lines without one
-- column: usage_type | AWS usage type
-- column: usage_amount | hours for instances
-- column: billed_cost_usd | UnblendedCost
-- column: effective_cost_usd | AmortizedCost
-- column: is_estimated | AWS still calls the day estimated
-- column: pulled_at | when it was pulled
-- check:  fail | billed_cost_usd is not null | a control without a cost is none
-- window: usage_date

select
    g.usage_date,
    g.account_id,
    g.resource_id,
    g.usage_type,
    g.usage_quantity as usage_amount,
    g.unblended_cost as billed_cost_usd,
    g.amortized_cost as effective_cost_usd,
    g.estimated as is_estimated,
    d.delivered_at as pulled_at,
from raw_cost_explorer_resources as g
join raw_deliveries as d using (delivery_id)
where g.usage_date >= $start_at and g.usage_date < $end_at
-- a pull lands whole; an older one is replaced whole
qualify
    d.delivered_at = max(d.delivered_at) over (partition by g.account_id, g.usage_date)
    and row_number() over (
        partition by g.usage_date, g.account_id, g.resource_id, g.usage_type
        order by d.delivered_at desc, g.delivery_id desc, g.group_number
    ) = 1
