-- own_spend: what does this pipeline's own asking of AWS cost, predicted and billed?
-- column: predicted_usd | list price of what our pulls asked; NULL where they asked nothing
-- column: billed_usd | what the bill holds of such requests, ours and everybody else's; NULL where it holds none yet
-- column: predicted_so_far_usd | running sum of predicted_usd within the month
-- limit:  CloudWatch and Cost Explorer requests; storage of exports in S3 is not told apart. Part of the bill, never added to it
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
select
    usage_date,
    service,
    predicted_usd,
    billed_usd,
    sum(predicted_usd) over (
        partition by service, date_trunc('month', usage_date)
        order by usage_date
    ) as predicted_so_far_usd,
from mart_own_spend_daily
where usage_date >= cast($from_date as date) and usage_date < cast($to_date as date)
order by usage_date, service
