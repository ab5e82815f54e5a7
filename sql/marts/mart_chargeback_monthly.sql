-- mart_chargeback_monthly: what each team is charged per billing period: its workloads, and what its accounts leave idle, share or cannot name.
-- grain:  billing_period, cost_status, team, cost_class, workload_id, chip, account_id
-- column: billing_period | first day of the billed month
-- column: cost_status | billed: from a billing delivery; estimated: hours that no bill covers yet
-- column: team | team of the workload on the day, else the team that inherits the account; '' where nobody does
-- column: cost_class | workload, idle.unallocated, idle.reserved_unused, shared, unattributed or adjustment
-- column: workload_id | workload, '' in the other classes
-- column: chip | chip, other where there is none
-- column: account_id | usage account, '' for workloads, which may span several
-- column: cost_center | cost center of the workload, else of the account; '' where nobody names one
-- column: effective_cost_usd | USD after discounts, commitments and upfront fees spread over use
-- column: billed_cost_usd | USD as invoiced
-- column: device_hours | device-hours held by the workload on the chip; NULL where none are seen, and in the other classes
-- column: busy_device_hours | device-hours of execution; NULL where unknown
-- column: utilization_ratio | busy over held, 0-1; NULL where unknown
-- column: allocated_unused_cost_usd | effective cost times the part of the held time that did not work, over the days where it is known; NULL where none is
-- check:  fail | (cost_class = 'workload') = (workload_id <> '') | only workloads have a workload id
-- check:  warn | team <> '' | money that no team is charged for: name teams in workloads.toml, by account at least

with money as (
    select
        billing_period,
        cost_status,
        team,
        cost_class,
        workload_id,
        chip,
        case when cost_class = 'workload' then '' else account_id end as account_id,
        max(cost_center) as cost_center,
        sum(effective_cost_usd) as effective_cost_usd,
        sum(billed_cost_usd) as billed_cost_usd,
    from mart_chargeback_daily
    group by
        billing_period,
        cost_status,
        team,
        cost_class,
        workload_id,
        chip,
        case when cost_class = 'workload' then '' else account_id end
),

-- the team of a workload on each day, so that its hours follow its money
teams as (
    select
        usage_date,
        workload_id,
        max(team) as team,
    from mart_chargeback_daily
    where cost_class = 'workload'
    group by usage_date, workload_id
),

usage as (
    select
        cast(date_trunc('month', w.usage_date) as date) as billing_period,
        t.team,
        w.workload_id,
        w.chip,
        w.cost_status,
        sum(w.device_hours) as device_hours,
        sum(w.busy_device_hours) as busy_device_hours,
        sum(w.known_device_hours) as known_device_hours,
        sum(w.allocated_unused_cost_usd) as allocated_unused_cost_usd,
    from mart_workload_cost_daily as w
    join teams as t using (usage_date, workload_id)
    group by date_trunc('month', w.usage_date), t.team, w.workload_id, w.chip, w.cost_status
)

select
    m.billing_period,
    m.cost_status,
    m.team,
    m.cost_class,
    m.workload_id,
    m.chip,
    m.account_id,
    m.cost_center,
    cast(m.effective_cost_usd as decimal(38, 10)) as effective_cost_usd,
    cast(m.billed_cost_usd as decimal(38, 10)) as billed_cost_usd,
    u.device_hours,
    u.busy_device_hours,
    -- hours are rounded by the day: their ratio may pass 1 by a hair; NULL stays NULL
    case
        when u.busy_device_hours > u.known_device_hours then 1
        else cast(u.busy_device_hours / nullif(u.known_device_hours, 0) as decimal(9, 6))
    end as utilization_ratio,
    cast(u.allocated_unused_cost_usd as decimal(38, 10)) as allocated_unused_cost_usd,
from money as m
left join usage as u using (billing_period, team, workload_id, chip, cost_status)
