-- stg_cur_costs: every line of every CUR 2.0 delivery, with the columns of raw_cur_lines and its effective cost.
-- grain:  delivery_id, line_number
-- column: delivery_id | delivery that brought the line
-- column: line_number | position of the line over the delivery's chunks, from 1
-- column: usage_start_at | start of the line
-- column: is_upfront | a commitment paid once, whose cost AWS spreads over its use
-- column: effective_cost_usd | USD after discounts, commitments and upfront fees spread over use
-- check:  fail | unblended_cost is not null | a line without a cost cannot be conserved
-- window: usage_start_at

with described as (
    select
        *,
        record_type = 'SavingsPlanUpfrontFee'
        or (record_type = 'Fee' and (coalesce(reservation_arn, '') <> '' or resource_id like '%:reserved-instances/%'))
            as is_upfront,
    from raw_cur_lines
)

select
    *, -- noqa: AM04
    cast(
        case
            -- net columns carry private discounts; billed stays gross because the discount lines are billed too
            when record_type in ('EdpDiscount', 'PrivateRateDiscount') and has_net_columns then 0
            when record_type = 'SavingsPlanCoveredUsage' then coalesce(net_sp_effective_cost, sp_effective_cost)
            when record_type = 'SavingsPlanNegation' then 0
            when record_type = 'SavingsPlanRecurringFee' then sp_total_commitment - sp_used_commitment
            when is_upfront then 0
            when record_type = 'DiscountedUsage'
                then coalesce(net_reservation_effective_cost, reservation_effective_cost)
            when record_type = 'RIFee'
                then
                    coalesce(
                        net_reservation_unused_amortized_upfront_fee, reservation_unused_amortized_upfront_fee, 0
                    )
                    + coalesce(net_reservation_unused_recurring_fee, reservation_unused_recurring_fee, 0)
            else coalesce(net_unblended_cost, unblended_cost)
        end as decimal(38, 10)
    ) as effective_cost_usd,
from described
