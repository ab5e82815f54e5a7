-- int_own_requests: what the pulls of a UTC day cost at list price, per service that charges for requests.
-- grain:  usage_date, service
-- column: usage_date | UTC day of the pulls
-- column: service | CloudWatch or Cost Explorer
-- column: predicted_usd | list price of all that was asked
-- check:  fail | predicted_usd >= 0 | asking never earns money
-- window: usage_date
select
    cast(asked_at as date) as usage_date,
    service,
    cast(sum(cost_usd) as decimal(38, 10)) as predicted_usd,
from stg_api_requests
where asked_at >= $start_at and asked_at < $end_at
group by cast(asked_at as date), service
