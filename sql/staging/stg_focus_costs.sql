-- stg_focus_costs: every line of every FOCUS delivery, with the columns of raw_focus_lines, in the terms of the AWS bill.
-- grain:  delivery_id, line_number
-- column: delivery_id | delivery that brought the line
-- column: line_number | position of the line over the delivery's chunks, from 1
-- column: charge_start_at | start of the charge
-- column: account_id | sub account (AWS account, Azure subscription, Google project), else the billing account
-- column: record_type | the charge in the words of the AWS bill, from category, class, commitment and frequency
-- column: is_spend | the commitment is one of spend, not of usage
-- column: is_upfront | a commitment paid once, whose effective cost the format spreads over its use
-- check:  fail | billed_cost is not null and effective_cost is not null | a line without a cost cannot be conserved
-- window: charge_start_at

with described as (
    select
        *,
        coalesce(nullif(sub_account_id, ''), billing_account_id) as account_id,
        commitment_discount_category = 'Spend' as is_spend,
        charge_category = 'Purchase' and commitment_discount_id <> '' and charge_frequency = 'One-Time' as is_upfront,
    from raw_focus_lines
)

select
    *, -- noqa: AM04
    case
        when charge_category in ('Tax', 'Credit') then charge_category
        when charge_category = 'Adjustment' then 'Adjustment'
        when charge_class = 'Correction' then 'Refund'
        when charge_category = 'Usage' and commitment_discount_status = 'Used'
            then case when is_spend then 'SavingsPlanCoveredUsage' else 'DiscountedUsage' end
        when charge_category = 'Usage' and commitment_discount_status = 'Unused'
            then case when is_spend then 'SavingsPlanRecurringFee' else 'RIFee' end
        when charge_category = 'Usage' then 'Usage'
        when is_upfront and is_spend then 'SavingsPlanUpfrontFee'
        when commitment_discount_id <> '' and charge_frequency = 'Recurring'
            then case when is_spend then 'SavingsPlanRecurringFee' else 'RIFee' end
        else 'Fee'
    end as record_type,
from described
