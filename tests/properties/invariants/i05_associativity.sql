-- I5 Associativity: what days say is the sum of what hours say.
with hours as (
    select
        usage_date, workload_id, chip, cost_status, min(account_id) as account_id,
        sum(effective_cost_usd) as effective, sum(billed_cost_usd) as billed,
    from fct_cost_allocated_hourly
    where cost_class = 'workload'
    group by usage_date, workload_id, chip, cost_status
),

idle_hours as (
    select
        usage_date, cost_class, account_id, instance_type, chip, region, cluster,
        coalesce(sum(effective_cost_usd) filter (where cost_status = 'billed'), 0) as effective,
        coalesce(sum(billed_cost_usd) filter (where cost_status = 'billed'), 0) as billed,
    from fct_cost_allocated_hourly
    where cost_class like 'idle.%' or cost_class = 'unattributed'
    group by all
)

select bill_of(twin_of(h.account_id)) as bill, usage_date, workload_id, h.effective, d.effective_cost_usd
from hours as h
full join mart_workload_cost_daily as d using (usage_date, workload_id, chip, cost_status)
where h.effective is distinct from d.effective_cost_usd or h.billed is distinct from d.billed_cost_usd
union all
select bill_of(twin_of(account_id)), usage_date, cost_class, h.effective, d.effective_cost_usd
from idle_hours as h
full join mart_idle_cost_daily as d using (usage_date, cost_class, account_id, instance_type, chip, region, cluster)
where h.effective is distinct from d.effective_cost_usd or h.billed is distinct from d.billed_cost_usd
