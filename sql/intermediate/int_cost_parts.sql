-- int_cost_parts: into which hours, classes and workloads each line of the bill divides, and by which weights.
-- grain:  usage_hour_at, cost_line_id, cost_class, workload_id, chip
-- column: usage_hour_at | UTC hour the part belongs to
-- column: usage_date | UTC day the part belongs to
-- column: cost_line_id | line of the bill, or estimate of an hour that no bill covers yet
-- column: cost_class | workload, idle.unallocated, idle.reserved_unused, shared, unattributed or adjustment
-- column: workload_id | workload, '' in the other classes
-- column: chip | chip of the instance, other where the line has none
-- column: region | AWS region, '' where the line has none
-- column: cluster | cluster, '-' where unknown
-- column: instance_id | EC2 instance, '' where the line has none
-- column: allocation_policy | the policy that divided the hour; mixed where several did, '' for a line that is not spread
-- column: weight | the part in the sum of the line's weights: device-nanoseconds, or 1 for a line that is not spread
-- check:  fail | weight > 0 | a part of a line is never negative, and nothing is no part
-- check:  fail | cost_class in ('workload', 'idle.unallocated', 'idle.reserved_unused', 'shared', 'unattributed', 'adjustment') | money outside the classes is lost
-- check:  fail | query: select l.cost_line_id from int_cost_lines as l anti join (select cost_line_id from int_cost_parts where usage_hour_at >= $start_at and usage_hour_at < $end_at) as p using (cost_line_id) where l.usage_hour_at >= $start_at and l.usage_hour_at < $end_at | every line of the bill is divided
-- window: usage_date

with lines as (
    select
        cost_line_id,
        usage_hour_at,
        usage_date,
        cost_source,
        line_class,
        account_id,
        region,
        instance_id,
        instance_type,
        chip,
        is_spot,
    from int_cost_lines
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    union all by name
    -- hours that no bill covers yet
    select
        cost_line_id,
        usage_hour_at,
        usage_date,
        'estimate' as cost_source,
        'accelerator' as line_class,
        account_id,
        region,
        instance_id,
        instance_type,
        chip,
        is_spot,
    from int_hour_estimates
    where
        not is_covered
        and price_source <> 'none'
        and usage_hour_at >= $start_at
        and usage_hour_at < $end_at
),

weights as (
    select *
    from int_hour_weights
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

line_workloads as (
    select
        cost_line_id,
        workload_id,
        cluster,
    from int_line_workloads
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

type_weights as (
    select
        account_id,
        instance_type,
        is_spot,
        cast(usage_hour_at as date) as usage_date,
        usage_hour_at,
        cost_class,
        workload_id,
        chip,
        case when min(region) = max(region) then min(region) else '' end as region,
        case when min(cluster) = max(cluster) then min(cluster) else '-' end as cluster,
        case when min(instance_id) = max(instance_id) then min(instance_id) else '' end as instance_id,
        case when min(allocation_policy) = max(allocation_policy) then min(allocation_policy) else 'mixed' end
            as allocation_policy,
        sum(weight_ns) as weight_ns,
    from weights
    group by account_id, instance_type, is_spot, usage_hour_at, cost_class, workload_id, chip
),

-- which purchase options the inventory knows of a type that day
known_options as (
    select distinct
        account_id,
        instance_type,
        usage_date,
        is_spot,
    from type_weights
),

parts as (
    select
        l.cost_line_id,
        w.usage_hour_at,
        w.cost_class,
        w.workload_id,
        w.chip,
        w.region,
        w.cluster,
        w.instance_id,
        w.allocation_policy,
        cast(w.weight_ns as hugeint) as weight,
    from lines as l
    join weights as w using (instance_id, usage_hour_at)
    where l.line_class = 'accelerator' and l.cost_source <> 'cost_explorer'
    union all by name
    select
        l.cost_line_id,
        w.usage_hour_at,
        w.cost_class,
        w.workload_id,
        w.chip,
        w.region,
        w.cluster,
        w.instance_id,
        w.allocation_policy,
        cast(w.weight_ns as hugeint) as weight,
    from lines as l
    join type_weights as w using (account_id, instance_type, usage_date)
    left join known_options as o
        on
            o.account_id = l.account_id
            and o.instance_type = l.instance_type
            and o.usage_date = l.usage_date
            and o.is_spot = l.is_spot
    where
        l.line_class = 'accelerator'
        and l.cost_source = 'cost_explorer'
        -- spot money goes to spot instances, where the inventory knows any
        and (o.is_spot is null or w.is_spot = l.is_spot)
),

all_parts as (
    select *
    from parts
    union all by name
    -- lines that are not spread, some of which are a workload by themselves, and instance lines whose instances nobody knows
    select
        l.cost_line_id,
        l.usage_hour_at,
        case
            when w.workload_id is not null then 'workload'
            when l.line_class = 'accelerator' then 'unattributed'
            else l.line_class
        end as cost_class,
        coalesce(w.workload_id, '') as workload_id,
        l.chip,
        l.region,
        coalesce(i.cluster, w.cluster, '-') as cluster,
        l.instance_id,
        '' as allocation_policy,
        cast(1 as hugeint) as weight,
    from lines as l
    left join int_instances as i using (instance_id)
    left join line_workloads as w using (cost_line_id)
    anti join parts using (cost_line_id)
)

select
    usage_hour_at,
    cast(usage_hour_at as date) as usage_date,
    cost_line_id,
    cost_class,
    workload_id,
    chip,
    coalesce(region, '') as region,
    cluster,
    instance_id,
    allocation_policy,
    cast(weight as bigint) as weight,
from all_parts
