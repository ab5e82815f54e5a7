-- int_own_rates: what an instance-hour of each type has recently cost each account, by purchase option: the price of an hour that is not billed yet.
-- grain:  usage_date, account_id, instance_type, is_spot
-- column: usage_date | UTC day for which the rate holds
-- column: account_id | usage account
-- column: instance_type | EC2 instance type
-- column: is_spot | the lines say spot
-- column: billed_usd_per_hour | USD as invoiced per instance-hour, over the lines of the eighth to the second day before
-- column: effective_usd_per_hour | USD after discounts, commitments and upfront fees spread over use, over the same lines
-- column: billed_hours | instance-hours behind the rate
-- check:  fail | billed_hours > 0 | a rate comes from some hours
-- window: usage_date
-- lookback: 8 days

with days as (
    select
        usage_date,
        account_id,
        instance_type,
        is_spot,
        sum(billed_cost_usd) as billed_cost_usd,
        sum(effective_cost_usd) as effective_cost_usd,
        sum(usage_ms) as usage_ms,
    from int_cost_lines
    where
        line_class = 'accelerator'
        and usage_hour_at >= $start_at - interval 8 days
        and usage_hour_at < $end_at
    group by usage_date, account_id, instance_type, is_spot
),

-- yesterday's bill is not there yet when today is estimated
later as (
    select days.* replace (days.usage_date + o.day_count as usage_date),
    from days
    cross join (
        select cast(unnest(range(2, 9)) as integer) as day_count
    ) as o
)

select
    usage_date,
    account_id,
    instance_type,
    is_spot,
    cast(sum(billed_cost_usd) * 3600000 / sum(usage_ms) as decimal(38, 10)) as billed_usd_per_hour,
    cast(sum(effective_cost_usd) * 3600000 / sum(usage_ms) as decimal(38, 10)) as effective_usd_per_hour,
    cast(sum(usage_ms) / 3600000 as decimal(38, 6)) as billed_hours,
from later
where usage_date >= cast($start_at as date) and usage_date < cast($end_at as date)
group by usage_date, account_id, instance_type, is_spot
having sum(usage_ms) > 0
