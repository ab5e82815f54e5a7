-- mart_resource_cost_daily: what each workload and each class cost per UTC day, by what was paid for: devices, vCPUs, memory.
-- grain:  usage_date, account_id, cluster, cost_class, workload_id, resource, cost_status
-- column: usage_date | UTC day
-- column: account_id | usage account
-- column: cluster | cluster, '-' where unknown
-- column: cost_class | workload, idle.unallocated, idle.reserved_unused, shared, unattributed or adjustment
-- column: workload_id | workload, '' in the other classes
-- column: resource | accelerator, vcpu or memory: policies that weigh device time alone put all on accelerators; other for a line that is no instance time
-- column: cost_status | billed: from a billing delivery; estimated: hours that no bill covers yet
-- column: effective_cost_usd | USD after discounts, commitments and upfront fees spread over use
-- column: billed_cost_usd | USD as invoiced
-- check:  fail | (cost_class = 'workload') = (workload_id <> '') | only workloads have a workload id
-- check:  fail | query: select usage_date, effective_cost_usd, allocated_usd from (select usage_date, sum(effective_cost_usd) as effective_cost_usd from mart_resource_cost_daily where usage_date >= cast($start_at as date) and usage_date < cast($end_at as date) group by usage_date) as ours full join (select usage_date, sum(effective_cost_usd) as allocated_usd from fct_cost_allocated_hourly where usage_date >= cast($start_at as date) and usage_date < cast($end_at as date) group by usage_date) as fact using (usage_date) where ours.effective_cost_usd is distinct from fact.allocated_usd | the resources of a day sum to the day
-- window: usage_date

with costs as (
    select
        *,
        allocation_policy in ('scad', 'opencost') as is_by_request,
    from fct_cost_allocated_hourly
    where usage_date >= cast($start_at as date) and usage_date < cast($end_at as date)
),

days as (
    select
        usage_date,
        account_id,
        cluster,
        cost_class,
        workload_id,
        case when allocation_policy = '' then 'other' else 'accelerator' end as resource,
        cost_status,
        sum(effective_cost_usd) as effective_cost_usd,
        sum(billed_cost_usd) as billed_cost_usd,
    from costs
    where not is_by_request
    group by
        usage_date,
        account_id,
        cluster,
        cost_class,
        workload_id,
        case when allocation_policy = '' then 'other' else 'accelerator' end,
        cost_status
),

by_request as (
    select
        c.usage_date,
        c.account_id,
        c.cluster,
        c.cost_class,
        c.workload_id,
        c.cost_status,
        cast(c.effective_cost_usd * 10000000000 as hugeint) as effective_units,
        cast(c.billed_cost_usd * 10000000000 as hugeint) as billed_units,
        -- a daily group of several instances is not told apart by resource
        coalesce(w.vcpu_ns, 0) as vcpu_ns,
        coalesce(w.memory_ns, 0) as memory_ns,
        coalesce(w.weight_ns, 1) as weight_ns,
    from costs as c
    left join int_request_weights as w
        on
            w.usage_hour_at = c.usage_hour_at
            and w.instance_id = c.instance_id
            and w.cost_class = c.cost_class
            and w.workload_id = c.workload_id
            and w.usage_hour_at >= $start_at
            and w.usage_hour_at < $end_at
    where c.is_by_request
),

-- whole units of 1e-10 USD, toward zero; accelerators take the rest, so that the three sum to the row
units as (
    select
        *,
        effective_units * vcpu_ns // weight_ns as effective_vcpu,
        effective_units * memory_ns // weight_ns as effective_memory,
        billed_units * vcpu_ns // weight_ns as billed_vcpu,
        billed_units * memory_ns // weight_ns as billed_memory,
    from by_request
),

apart as (
    select
        * exclude (effective_units, billed_units),
        unnest(['accelerator', 'vcpu', 'memory']) as resource,
        unnest([effective_units - effective_vcpu - effective_memory, effective_vcpu, effective_memory])
            as effective_units,
        unnest([billed_units - billed_vcpu - billed_memory, billed_vcpu, billed_memory]) as billed_units,
    from units
),

all_days as (
    select *
    from days
    union all by name
    select
        usage_date,
        account_id,
        cluster,
        cost_class,
        workload_id,
        resource,
        cost_status,
        cast(sum(effective_units) as decimal(28, 0)) * 0.0000000001 as effective_cost_usd,
        cast(sum(billed_units) as decimal(28, 0)) * 0.0000000001 as billed_cost_usd,
    from apart
    group by usage_date, account_id, cluster, cost_class, workload_id, resource, cost_status
)

select
    usage_date,
    account_id,
    cluster,
    cost_class,
    workload_id,
    resource,
    cost_status,
    cast(sum(effective_cost_usd) as decimal(38, 10)) as effective_cost_usd,
    cast(sum(billed_cost_usd) as decimal(38, 10)) as billed_cost_usd,
from all_days
group by usage_date, account_id, cluster, cost_class, workload_id, resource, cost_status
