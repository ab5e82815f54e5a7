-- stg_cost_explorer_groups: the daily groups of the newest Cost Explorer pull of every account and day.
-- grain:  cost_line_id
-- column: cost_line_id | account, day and group keys
-- column: usage_hour_at | midnight UTC of the day
-- column: usage_date | UTC day of the group
-- column: billing_period | first day of the billing period
-- column: delivered_at | when it was pulled
-- column: account_id | linked account
-- column: record_type | RECORD_TYPE group key in the words of CUR
-- column: product_code | service name where grouped by it
-- column: usage_type | USAGE_TYPE group key
-- column: instance_type | instance type named by the group or by its usage type, else ''
-- column: usage_amount | UsageQuantity (hours for instances); NULL where not asked
-- column: billed_cost_usd | UnblendedCost
-- column: blended_cost_usd | BlendedCost; NULL where not asked
-- column: effective_cost_usd | NetAmortizedCost where the payer has it, else AmortizedCost
-- column: is_upfront | a fee paid once, whose cost AWS spreads over its use: amortised it is 0
-- column: is_block_fee | the fee of a Capacity Block, which AWS spreads over nothing
-- column: is_estimated | AWS still calls the day estimated
-- check:  fail | billed_cost_usd is not null | a group without a cost cannot be conserved
-- check:  fail | effective_cost_usd is not null | a group without a cost cannot be conserved
-- window: usage_hour_at

with current_pull as (
    select *
    from stg_cost_explorer_pulls
    where cast(usage_date as timestamptz) >= $start_at and cast(usage_date as timestamptz) < $end_at
    qualify pulled_at = max(pulled_at) over (partition by account_id, usage_date)
)

select
    concat_ws('/', 'cost-explorer', account_id, usage_date, record_type, service, usage_type, instance_type)
        as cost_line_id,
    cast(usage_date as timestamptz) as usage_hour_at,
    usage_date,
    cast(date_trunc('month', usage_date) as date) as billing_period,
    delivered_at,
    account_id,
    record_type,
    service as product_code,
    usage_type,
    coalesce(
        nullif(instance_type, ''),
        regexp_extract(usage_type, '[a-z]:((?:ml\.)?[a-z0-9-]+\.[a-z0-9-]+)', 1)
    ) as instance_type,
    usage_quantity as usage_amount,
    unblended_cost as billed_cost_usd,
    blended_cost as blended_cost_usd,
    effective_cost_usd,
    record_type = 'Fee' and effective_cost_usd = 0 and unblended_cost <> 0 as is_upfront,
    contains(usage_type, 'CapacityBlockFee') or (record_type = 'Fee' and contains(usage_type, 'CapacityBlock')) as is_block_fee,
    estimated as is_estimated,
from current_pull
