-- mart_own_spend_daily: what asking AWS for figures costs, predicted beside billed; part of the bill, never added to it.
-- grain:  usage_date, service
-- column: usage_date | UTC day
-- column: service | CloudWatch or Cost Explorer
-- column: predicted_usd | list price of what our pulls asked; NULL where they asked nothing
-- column: billed_usd | what the bill holds of these requests, ours and everybody else's (dashboards, other tools), over all accounts; NULL where it holds none yet
-- check:  fail | predicted_usd is not null or billed_usd is not null | a day of which nothing is known
-- check:  warn | coalesce(billed_usd, predicted_usd) >= 0.98 * predicted_usd - 0.01 | we predict more than is billed: the price or the count is wrong, or free requests were left
-- window: usage_date

with billed as (
    select
        usage_date,
        case when regexp_matches(usage_type, '(^|-)APIRequest$') then 'Cost Explorer' else 'CloudWatch' end as service,
        sum(billed_cost_usd) as billed_usd,
    from int_cost_lines
    where
        usage_hour_at >= $start_at
        and usage_hour_at < $end_at
        and record_type = 'Usage'
        and regexp_matches(usage_type, '(^|-)(CW:GMD-Metrics|CW:Requests|APIRequest)$')
    group by
        usage_date,
        case when regexp_matches(usage_type, '(^|-)APIRequest$') then 'Cost Explorer' else 'CloudWatch' end
),

predicted as (
    select
        usage_date,
        service,
        predicted_usd,
    from int_own_requests
    where usage_date >= $start_at and usage_date < $end_at
)

select
    coalesce(predicted.usage_date, billed.usage_date) as usage_date,
    coalesce(predicted.service, billed.service) as service,
    predicted.predicted_usd,
    cast(billed.billed_usd as decimal(38, 10)) as billed_usd,
from predicted
full join billed
    on
        predicted.usage_date = billed.usage_date
        and predicted.service = billed.service
