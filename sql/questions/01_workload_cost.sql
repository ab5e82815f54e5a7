-- workload_cost: what did each workload, team and account cost per day, and which share of the day's bill is that?
-- column: team | team of the workload on that day, else the team that inherits the account, as in mart_chargeback_daily; '' where nobody does
-- column: cost_class | workload, or the class of money that no workload answers for (workload_id '' there)
-- column: cost_status | billed, or estimated for hours that no bill covers yet
-- column: cost_usd | USD in the basis asked for
-- column: bill_share_ratio | cost over the whole day and status in all classes; NULL where that is not above 0 or not known
-- limit:  a day is whole only once its bill has come: see mart_freshness. In the list basis a cost is NULL where one of its lines
--         has no list price (taxes, credits, some exports), and so is every share of such a day
-- param:  basis = 'effective' | effective, billed or list
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
-- param:  team = '' | only this team; '' is all
with teams as (
    select
        usage_date,
        workload_id,
        account_id,
        max(team) as team,
    from mart_chargeback_daily
    group by all
),

days as (
    select
        c.usage_date,
        c.account_id,
        c.cost_class,
        c.workload_id,
        c.cost_status,
        coalesce(t.team, '') as team,
        sum(case $basis
            when 'effective' then c.effective_cost_usd
            when 'billed' then c.billed_cost_usd
            when 'list' then c.list_cost_usd
            else error('basis is effective, billed or list, not ' || $basis)
        end) as known_usd,
        $basis <> 'list' or count(*) = count(c.list_cost_usd) as is_known,
    from fct_cost_allocated_hourly as c
    left join teams as t on c.usage_date = t.usage_date and c.workload_id = t.workload_id and c.account_id = t.account_id
    where c.usage_date >= cast($from_date as date) and c.usage_date < cast($to_date as date)
    group by all
),

shared as (
    select
        *,
        case when is_known then known_usd end as cost_usd,
        case
            when bool_and(is_known) over (partition by usage_date, cost_status)
                then sum(known_usd) over (partition by usage_date, cost_status)
        end as day_usd,
    from days
)

select
    usage_date,
    team,
    workload_id,
    account_id,
    cost_class,
    cost_status,
    cost_usd,
    case when day_usd > 0 then cast(cost_usd / day_usd as decimal(18, 6)) end as bill_share_ratio,
from shared
where $team = '' or team = $team
order by usage_date, cost_status, cost_usd desc nulls last, workload_id, account_id, cost_class
