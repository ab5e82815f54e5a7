-- month_end_forecast: what will each team have spent at the end of the month, give or take, against its budget?
-- column: month_to_date_usd | effective USD of the team's workloads from the first of the month through as_of_date
-- column: forecast_usd | month to date + days left times the mean of the last 28 days (or of all days known, if fewer)
-- column: forecast_low_usd | forecast minus 1.96 standard deviations of such a sum; never below month_to_date_usd
-- column: forecast_high_usd | forecast plus the same
-- column: over_budget_usd | forecast minus budget; NULL without one
-- limit:  by the team that owns a workload now: what another team was charged before is in mart_chargeback_monthly
-- limit:  the interval takes days for independent and alike: no trend, no weekday, no planned change. Workload money only
-- limit:  a day on which no workload at all was seen is not known: its money is unattributed and in no figure here
-- limit:  NULL where fewer than 7 days are known. A budget is what you give for the team asked for; none is kept here
-- param:  as_of_date = (select cast(max(usage_hour_at) + interval 1 hour as date) - 1 from fct_cost_allocated_hourly) | last day that is known to its end, billed or estimated
-- param:  team = '' | only this team; '' is all
-- param:  budget_usd = null | USD per month of that team
with asked as (
    select
        cast($as_of_date as date) as as_of_date,
        cast(date_trunc('month', cast($as_of_date as date)) as date) as month_date,
        last_day(cast($as_of_date as date)) - cast($as_of_date as date) as days_left,
),

known as (
    select distinct c.usage_date
    from fct_cost_allocated_hourly as c
    cross join asked as a
    where
        c.cost_class = 'workload'
        and c.usage_date > least(a.as_of_date - 28, a.month_date - 1) and c.usage_date <= a.as_of_date
),

teams as (
    select distinct team
    from dim_workload
    where $team = '' or team = $team
),

spent as (
    select
        w.team,
        c.usage_date,
        sum(c.effective_cost_usd) as cost_usd,
    from fct_cost_allocated_hourly as c
    inner join dim_workload as w on c.workload_id = w.workload_id
    where c.cost_class = 'workload'
    group by w.team, c.usage_date
),

days as (
    select
        t.team,
        k.usage_date,
        coalesce(s.cost_usd, 0) as cost_usd,
    from teams as t
    cross join known as k
    left join spent as s on t.team = s.team and k.usage_date = s.usage_date
),

measured as (
    select
        d.team,
        a.as_of_date,
        a.days_left,
        coalesce(sum(d.cost_usd) filter (where d.usage_date >= a.month_date), 0) as month_to_date_usd,
        count(*) filter (where d.usage_date > a.as_of_date - 28) as known_days,
        avg(d.cost_usd) filter (where d.usage_date > a.as_of_date - 28) as mean_usd,
        stddev_samp(d.cost_usd) filter (where d.usage_date > a.as_of_date - 28) as deviation_usd,
    from days as d
    cross join asked as a
    group by d.team, a.as_of_date, a.days_left
),

forecast as (
    select
        *,
        cast(month_to_date_usd + days_left * mean_usd as decimal(18, 2)) as forecast_usd,
        1.96 * deviation_usd * sqrt(days_left + cast(days_left * days_left as double) / known_days) as margin_usd,
    from measured
)

select
    team,
    as_of_date,
    known_days,
    month_to_date_usd,
    case when known_days >= 7 then forecast_usd end as forecast_usd,
    case when known_days >= 7 then cast(greatest(forecast_usd - margin_usd, month_to_date_usd) as decimal(18, 2)) end
        as forecast_low_usd,
    case when known_days >= 7 then cast(forecast_usd + margin_usd as decimal(18, 2)) end as forecast_high_usd,
    cast($budget_usd as decimal(18, 2)) as budget_usd,
    case when known_days >= 7 then forecast_usd - cast($budget_usd as decimal(18, 2)) end as over_budget_usd,
    case when known_days < 7 then 'fewer than 7 days known' end as reason_if_null,
from forecast
order by month_to_date_usd desc, team
