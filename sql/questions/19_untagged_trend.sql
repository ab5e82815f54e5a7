-- untagged_trend: how much accelerator money has no team, week by week?
-- column: week_date | Monday of the ISO week, UTC
-- column: with_team_usd | effective USD of workloads that a rule gives a team
-- column: without_team_usd | effective USD of workloads with a name and no team
-- column: unattributed_usd | effective USD of accelerators that were not seen or held by nobody with a name
-- column: without_team_ratio | the last two over all three; NULL where that is not above 0
-- limit:  team is the newest that rules and tags name, also for weeks gone by; idle money is no question of tags and left out
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
with weeks as (
    select
        cast(date_trunc('week', c.usage_date) as date) as week_date,
        coalesce(sum(c.effective_cost_usd) filter (where c.cost_class = 'workload' and coalesce(w.team, '') <> ''), 0)
            as with_team_usd,
        coalesce(sum(c.effective_cost_usd) filter (where c.cost_class = 'workload' and coalesce(w.team, '') = ''), 0)
            as without_team_usd,
        coalesce(sum(c.effective_cost_usd) filter (where c.cost_class = 'unattributed'), 0) as unattributed_usd,
    from fct_cost_allocated_hourly as c
    left join dim_workload as w on c.workload_id = w.workload_id
    where
        c.cost_class in ('workload', 'unattributed') and c.chip <> 'other'
        and c.usage_date >= cast($from_date as date) and c.usage_date < cast($to_date as date)
    group by week_date
)

select
    *,
    case
        when with_team_usd + without_team_usd + unattributed_usd > 0
            then cast(
                (without_team_usd + unattributed_usd) / (with_team_usd + without_team_usd + unattributed_usd)
                as decimal(18, 6)
            )
    end as without_team_ratio,
from weeks
order by week_date
