-- int_account_teams: the team that inherits what an account costs, where a rule names the account alone.
-- grain:  account_id
-- column: account_id | account on the bill
-- column: team | team of the first such rule, '' where none names one
-- column: cost_center | its cost center, '' where none names one
-- check:  fail | account_id <> '' | a bill has an account

with accounts as (
    select distinct account_id
    from int_bill_sources
    union
    select distinct account_id
    from stg_cost_explorer_groups
)

select
    a.account_id,
    coalesce(arg_min(r.team, r.rule_number) filter (where r.team <> ''), '') as team,
    coalesce(arg_min(r.cost_center, r.rule_number) filter (where r.cost_center <> ''), '') as cost_center,
from accounts as a
left join stg_workload_rules as r on r.is_inherited and regexp_matches(a.account_id, r.account_pattern)
where a.account_id <> ''
group by a.account_id
