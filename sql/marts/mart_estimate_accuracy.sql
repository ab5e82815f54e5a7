-- mart_estimate_accuracy: how near the estimates of instance-hours come to the bill, per UTC day; the rule of today asked again for days that are billed.
-- grain:  usage_date, account_id, instance_type
-- column: usage_date | UTC day
-- column: account_id | account that pays
-- column: instance_type | EC2 instance type
-- column: billed_instance_hours | instance-hours before the end of the account's bill
-- column: billed_cost_usd | USD as invoiced for them; NULL where no bill holds them (a month that was never delivered)
-- column: effective_cost_usd | USD after discounts, commitments and upfront fees spread over use for them
-- column: estimated_effective_cost_usd | what the estimate of the same hours says; NULL where one of them has no price
-- column: error_usd | estimate minus effective cost
-- column: error_ratio | that error over the effective cost; NULL where it is 0
-- column: own_rate_ratio | part of the covered hours priced by the account's own recent rate; the rest by the list price, or not
-- column: unbilled_instance_hours | instance-hours that no bill covers yet
-- column: unbilled_estimate_usd | effective USD estimated for them; NULL where one has no price
-- check:  fail | billed_instance_hours >= 0 and unbilled_instance_hours >= 0 | hours are never negative
-- check:  warn | error_ratio is null or abs(error_ratio) < 0.5 | estimates are far from the bill: has a commitment begun or ended, or is a price list missing?
-- window: usage_date

with estimates as (
    select
        usage_date,
        account_id,
        instance_type,
        sum(usage_ms) filter (where is_covered) as covered_ms,
        sum(usage_ms) filter (where not is_covered) as unbilled_ms,
        sum(usage_ms) filter (where is_covered and price_source = 'own_rate') as own_rate_ms,
        sum(effective_cost_usd) filter (where is_covered) as covered_usd,
        sum(effective_cost_usd) filter (where not is_covered) as unbilled_usd,
        count(*) filter (where is_covered and price_source = 'none') as covered_without_price,
        count(*) filter (where not is_covered and price_source = 'none') as unbilled_without_price,
    from int_hour_estimates
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    group by usage_date, account_id, instance_type
),

bills as (
    select
        usage_date,
        account_id,
        instance_type,
        sum(billed_cost_usd) as billed_cost_usd,
        sum(effective_cost_usd) as effective_cost_usd,
    from int_cost_lines
    where line_class = 'accelerator' and usage_hour_at >= $start_at and usage_hour_at < $end_at
    group by usage_date, account_id, instance_type
),

beside as (
    select
        e.*,
        b.billed_cost_usd,
        b.effective_cost_usd,
        case when e.covered_without_price = 0 then e.covered_usd end as estimated_usd,
    from estimates as e
    left join bills as b using (usage_date, account_id, instance_type)
)

select
    usage_date,
    account_id,
    instance_type,
    cast(coalesce(covered_ms, 0) / 3600000 as decimal(18, 6)) as billed_instance_hours,
    cast(billed_cost_usd as decimal(38, 10)) as billed_cost_usd,
    cast(effective_cost_usd as decimal(38, 10)) as effective_cost_usd,
    cast(estimated_usd as decimal(38, 10)) as estimated_effective_cost_usd,
    cast(estimated_usd - effective_cost_usd as decimal(38, 10)) as error_usd,
    round((estimated_usd - effective_cost_usd) / nullif(effective_cost_usd, 0), 6) as error_ratio,
    round(coalesce(own_rate_ms, 0) / nullif(covered_ms, 0), 6) as own_rate_ratio,
    cast(coalesce(unbilled_ms, 0) / 3600000 as decimal(18, 6)) as unbilled_instance_hours,
    case when unbilled_without_price = 0 then cast(coalesce(unbilled_usd, 0) as decimal(38, 10)) end
        as unbilled_estimate_usd,
from beside
