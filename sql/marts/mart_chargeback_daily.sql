-- mart_chargeback_daily: the allocated bill per day, billing period and what it is charged for.
-- grain:  usage_date, billing_period, cost_status, cost_class, workload_id, chip, account_id
-- column: usage_date | UTC day the money belongs to
-- column: billing_period | first day of the month whose bill holds it
-- column: cost_status | billed: from a billing delivery; estimated: hours that no bill covers yet
-- column: cost_class | workload, idle.unallocated, idle.reserved_unused, shared, unattributed or adjustment
-- column: workload_id | workload, '' in the other classes
-- column: chip | chip, other where there is none
-- column: account_id | usage account
-- column: team | team of the workload on that day, else the team that inherits the account; '' where nobody does
-- column: cost_center | its cost center; '' where nobody names one
-- column: effective_cost_usd | USD after discounts, commitments and upfront fees spread over use
-- column: billed_cost_usd | USD as invoiced
-- check:  fail | query: select usage_date, billed_usd from (select usage_date, sum(billed_cost_usd) as billed_usd, sum(effective_cost_usd) as effective_usd from fct_cost_allocated_hourly where usage_date >= $start_at and usage_date < $end_at group by usage_date) as f full join (select usage_date, sum(billed_cost_usd) as charged_billed_usd, sum(effective_cost_usd) as charged_usd from mart_chargeback_daily where usage_date >= $start_at and usage_date < $end_at group by usage_date) as c using (usage_date) where billed_usd is distinct from charged_billed_usd or effective_usd is distinct from charged_usd | what is charged is the bill, exactly
-- window: usage_date

with periods as (
    select
        cost_line_id,
        billing_period,
    from int_line_terms
    where usage_hour_at >= cast($start_at as timestamptz) and usage_hour_at < cast($end_at as timestamptz)
),

-- a tag that is renamed charges another team from that day on
workloads as (
    select
        cast(usage_hour_at as date) as usage_date,
        workload_id,
        max(team) as team,
        max(cost_center) as cost_center,
    from (
        select * exclude (instance_id, owner_id)
        from int_owner_workloads
        union all by name
        select * exclude (cost_line_id)
        from int_line_workloads
    )
    where usage_hour_at >= cast($start_at as timestamptz) and usage_hour_at < cast($end_at as timestamptz)
    group by cast(usage_hour_at as date), workload_id
),

charged as (
    select
        f.*,
        coalesce(p.billing_period, cast(date_trunc('month', f.usage_date) as date)) as billing_period,
        coalesce(nullif(w.team, ''), a.team, '') as team,
        coalesce(nullif(w.cost_center, ''), a.cost_center, '') as cost_center,
    from fct_cost_allocated_hourly as f
    left join periods as p using (cost_line_id)
    left join workloads as w using (usage_date, workload_id)
    left join int_account_teams as a using (account_id)
    where f.usage_date >= $start_at and f.usage_date < $end_at
)

select
    usage_date,
    billing_period,
    cost_status,
    cost_class,
    workload_id,
    chip,
    account_id,
    max(team) as team,
    max(cost_center) as cost_center,
    cast(sum(effective_cost_usd) as decimal(38, 10)) as effective_cost_usd,
    cast(sum(billed_cost_usd) as decimal(38, 10)) as billed_cost_usd,
from charged
group by usage_date, billing_period, cost_status, cost_class, workload_id, chip, account_id
