-- mart_distributed_cost_daily: money without an owner, spread over the workloads of its day as the settings say, with a negative row where it came from.
-- grain:  usage_date, cost_status, account_id, cluster, source_class, source_workload_id, resource, cost_class, workload_id
-- column: usage_date | UTC day
-- column: cost_status | status of the money that is spread: billed or estimated, or '' for overhead
-- column: account_id | account the money comes from, '' for overhead
-- column: cluster | cluster the money comes from, '-' where unknown
-- column: source_class | class the money comes from: shared, idle.*, adjustment, workload (a shared workload) or overhead
-- column: source_workload_id | shared workload the money comes from, '' in the other classes
-- column: resource | resource that was idle; '' where the money is no idle time
-- column: cost_class | whose row this is: workload for who receives, source_class for the row that takes the money away there
-- column: workload_id | workload whose row this is, '' in the other classes
-- column: method | even or weighted, by direct effective cost
-- column: effective_cost_usd | USD added (receiver) or taken away (source), effective basis
-- column: billed_cost_usd | the same in the billed basis, by the same weights
-- check:  fail | query: select usage_date, cost_status, account_id, cluster, source_class, source_workload_id, resource from mart_distributed_cost_daily where usage_date >= cast($start_at as date) and usage_date < cast($end_at as date) group by all having sum(effective_cost_usd) <> 0 or sum(billed_cost_usd) <> 0 | what is added somewhere is taken away where it came from
-- check:  fail | (cost_class = 'workload') = (workload_id <> '') | only workloads have a workload id
-- check:  fail | method in ('even', 'weighted') | money is spread evenly or by weight
-- window: usage_date

with costs as (
    select
        c.*,
        s.workload_id is not null as is_shared_workload,
    from mart_resource_cost_daily as c
    left join int_shared_workloads as s
        on
            c.cost_class = 'workload'
            and s.usage_date = c.usage_date
            and s.workload_id = c.workload_id
            and s.usage_date >= cast($start_at as date)
            and s.usage_date < cast($end_at as date)
    where
        c.usage_date >= cast($start_at as date)
        and c.usage_date < cast($end_at as date)
        and exists (select 1 from int_distributions)
),

-- a shared workload receives nothing: what it would get goes to the others at once
receivers as (
    select
        usage_date,
        account_id,
        cluster,
        workload_id,
        resource,
        cast(sum(effective_cost_usd) * 10000000000 as hugeint) as cost_units,
    from costs
    where cost_class = 'workload' and not is_shared_workload
    group by usage_date, account_id, cluster, workload_id, resource
),

sources as (
    select
        c.usage_date,
        c.cost_status,
        c.account_id,
        c.cluster,
        d.source_class,
        c.workload_id as source_workload_id,
        case when c.cost_class = 'idle.unallocated' then c.resource else '' end as resource,
        d.method,
        d.scope,
        cast(sum(c.effective_cost_usd) * 10000000000 as hugeint) as effective_units,
        cast(sum(c.billed_cost_usd) * 10000000000 as hugeint) as billed_units,
    from costs as c
    join int_distributions as d on c.cost_class = d.source_class
    where c.cost_class <> 'workload' or c.is_shared_workload
    group by
        c.usage_date,
        c.cost_status,
        c.account_id,
        c.cluster,
        d.source_class,
        c.workload_id,
        case when c.cost_class = 'idle.unallocated' then c.resource else '' end,
        d.method,
        d.scope
    union all by name
    select distinct
        r.usage_date,
        '' as cost_status,
        '' as account_id,
        '-' as cluster,
        d.source_class,
        '' as source_workload_id,
        '' as resource,
        d.method,
        'all' as scope,
        cast(d.daily_overhead_usd * 10000000000 as hugeint) as effective_units,
        cast(d.daily_overhead_usd * 10000000000 as hugeint) as billed_units,
    from receivers as r
    join int_distributions as d on d.source_class = 'overhead'
),

numbered as (
    select
        *,
        row_number() over (
            order by usage_date, cost_status, account_id, cluster, source_class, source_workload_id, resource
        ) as source_number,
    from sources
),

-- idle time of a resource goes to those who took of that resource
weights as (
    select
        s.source_number,
        r.workload_id,
        any_value(s.method) as method,
        greatest(sum(r.cost_units), 0) as cost_units,
    from numbered as s
    join receivers as r
        on
            s.usage_date = r.usage_date
            and (s.scope = 'all' or s.account_id = r.account_id)
            and (s.scope <> 'cluster' or s.cluster = '-' or s.cluster = r.cluster)
            and (s.resource = '' or s.resource = r.resource)
    group by s.source_number, r.workload_id
),

-- weights of 17 digits: their products with any bill fit
scaled as (
    select
        source_number,
        workload_id,
        cast(
            case
                when method = 'even' then 1
                else cost_units // greatest(sum(cost_units) over (partition by source_number) // 100000000000000000, 1)
            end as hugeint
        ) as weight,
    from weights
),

-- whole units of 1e-10 USD; what is missing goes to the largest remainders, ties by key
floors as (
    select
        s.*,
        w.workload_id,
        abs(s.effective_units) * w.weight // sum(w.weight) over source as effective_floor,
        abs(s.effective_units) * w.weight % sum(w.weight) over source as effective_remainder,
        abs(s.billed_units) * w.weight // sum(w.weight) over source as billed_floor,
        abs(s.billed_units) * w.weight % sum(w.weight) over source as billed_remainder,
    from scaled as w
    join numbered as s using (source_number)
    where w.weight > 0
    window source as (partition by w.source_number)
),

ranked as (
    select
        *,
        abs(effective_units) - sum(effective_floor) over source as effective_missing,
        abs(billed_units) - sum(billed_floor) over source as billed_missing,
        row_number() over (partition by source_number order by effective_remainder desc, workload_id) as effective_rank,
        row_number() over (partition by source_number order by billed_remainder desc, workload_id) as billed_rank,
    from floors
    window source as (partition by source_number)
),

exact as (
    select
        *,
        sign(effective_units)
        * (effective_floor + case when effective_rank <= effective_missing then 1 else 0 end) as effective,
        sign(billed_units) * (billed_floor + case when billed_rank <= billed_missing then 1 else 0 end) as billed,
    from ranked
),

moved as (
    select
        source_number,
        'workload' as cost_class,
        workload_id,
        effective,
        billed,
    from exact
    union all
    select
        e.source_number,
        any_value(s.source_class) as cost_class,
        any_value(s.source_workload_id) as workload_id,
        -sum(e.effective) as effective,
        -sum(e.billed) as billed,
    from exact as e
    join numbered as s using (source_number)
    group by e.source_number
)

select
    s.usage_date,
    s.cost_status,
    s.account_id,
    s.cluster,
    s.source_class,
    s.source_workload_id,
    s.resource,
    m.cost_class,
    m.workload_id,
    s.method,
    cast(cast(m.effective as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) as effective_cost_usd,
    cast(cast(m.billed as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) as billed_cost_usd,
from moved as m
join numbered as s using (source_number)
