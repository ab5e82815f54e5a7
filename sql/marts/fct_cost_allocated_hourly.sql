-- fct_cost_allocated_hourly: every cent of the bill in exactly one class: workload, idle, shared, unattributed or adjustment.
-- grain:  usage_hour_at, cost_line_id, cost_class, workload_id, chip
-- column: usage_hour_at | UTC hour the money belongs to
-- column: usage_date | UTC day the money belongs to
-- column: cost_line_id | line of the bill
-- column: cost_class | workload, idle.unallocated, idle.reserved_unused, shared, unattributed or adjustment
-- column: workload_id | workload, '' in the other classes
-- column: chip | chip of the instance, other where the line has none
-- column: account_id | usage account
-- column: region | AWS region, '' where the line has none
-- column: cluster | cluster, '-' where unknown
-- column: instance_id | EC2 instance, '' where the line has none
-- column: instance_type | EC2 instance type, '' where the line has none
-- column: record_type | record type of the line
-- column: cost_source | cur, focus or cost_explorer
-- column: billed_cost_usd | USD as invoiced
-- column: effective_cost_usd | USD after discounts, commitments and upfront fees spread over use
-- column: list_cost_usd | USD at public on-demand price; NULL where the line has none
-- column: cost_status | billed: from a billing delivery
-- check:  fail | cost_class in ('workload', 'idle.unallocated', 'idle.reserved_unused', 'shared', 'unattributed', 'adjustment') | money outside the classes is lost
-- check:  fail | (cost_class = 'workload') = (workload_id <> '') | only workloads have a workload id
-- check:  fail | query: select l.cost_line_id, l.billed_cost_usd, sum(f.billed_cost_usd) as allocated_usd from int_cost_lines as l left join fct_cost_allocated_hourly as f on f.cost_line_id = l.cost_line_id and f.usage_hour_at >= $start_at and f.usage_hour_at < $end_at where l.usage_hour_at >= $start_at and l.usage_hour_at < $end_at group by l.cost_line_id, l.billed_cost_usd, l.effective_cost_usd, l.list_cost_usd having l.billed_cost_usd is distinct from sum(f.billed_cost_usd) or l.effective_cost_usd is distinct from sum(f.effective_cost_usd) or l.list_cost_usd is distinct from sum(f.list_cost_usd) | the rows of a line sum to the line in every basis, exactly
-- window: usage_date

with lines as (
    select *
    from int_cost_lines
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

weights as (
    select *
    from int_hour_weights
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
        cast(w.weight_ns as hugeint) as weight,
    from lines as l
    join weights as w using (instance_id, usage_hour_at)
    where l.line_class = 'accelerator' and l.cost_source in ('cur', 'focus')
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
    -- lines that are not spread, and instance lines whose instances nobody knows
    select
        l.cost_line_id,
        l.usage_hour_at,
        case when l.line_class = 'accelerator' then 'unattributed' else l.line_class end as cost_class,
        '' as workload_id,
        l.chip,
        l.region,
        coalesce(i.cluster, '-') as cluster,
        l.instance_id,
        cast(1 as hugeint) as weight,
    from lines as l
    left join int_instances as i using (instance_id)
    anti join parts using (cost_line_id)
),

bases as (
    unpivot (
        select
            cost_line_id,
            cast(billed_cost_usd * 10000000000 as hugeint) as billed,
            cast(effective_cost_usd * 10000000000 as hugeint) as effective,
            cast(list_cost_usd * 10000000000 as hugeint) as list,
        from lines
    ) on billed, effective, list into name basis value line_units
),

shares as (
    select
        p.cost_line_id,
        b.basis,
        p.usage_hour_at,
        p.cost_class,
        p.workload_id,
        p.chip,
        b.line_units,
        abs(b.line_units) * p.weight // total.weight as floor_units,
        abs(b.line_units) * p.weight % total.weight as remainder,
    from all_parts as p
    join (
        select
            cost_line_id,
            sum(weight) as weight,
        from all_parts
        group by cost_line_id
    ) as total using (cost_line_id)
    join bases as b using (cost_line_id)
),

ranked as (
    select
        *,
        abs(line_units) - sum(floor_units) over (partition by cost_line_id, basis) as missing_units,
        row_number() over (
            partition by cost_line_id, basis
            order by remainder desc, usage_hour_at, cost_class, workload_id, chip
        ) as rank,
    from shares
),

exact as (
    select
        cost_line_id,
        basis,
        usage_hour_at,
        cost_class,
        workload_id,
        chip,
        cast(
            cast(
                sign(line_units) * (floor_units + case when rank <= missing_units then 1 else 0 end) as decimal(28, 0)
            ) * 0.0000000001 as decimal(38, 10)
        ) as cost_usd,
    from ranked
),

amounts as (
    select
        cost_line_id,
        usage_hour_at,
        cost_class,
        workload_id,
        chip,
        sum(cost_usd) filter (where basis = 'billed') as billed_cost_usd,
        sum(cost_usd) filter (where basis = 'effective') as effective_cost_usd,
        sum(cost_usd) filter (where basis = 'list') as list_cost_usd,
    from exact
    group by cost_line_id, usage_hour_at, cost_class, workload_id, chip
)

select
    p.usage_hour_at,
    cast(p.usage_hour_at as date) as usage_date,
    p.cost_line_id,
    p.cost_class,
    p.workload_id,
    p.chip,
    l.account_id,
    coalesce(nullif(p.region, ''), l.region) as region,
    p.cluster,
    p.instance_id,
    l.instance_type,
    l.record_type,
    l.cost_source,
    cast(a.billed_cost_usd as decimal(38, 10)) as billed_cost_usd,
    cast(a.effective_cost_usd as decimal(38, 10)) as effective_cost_usd,
    cast(a.list_cost_usd as decimal(38, 10)) as list_cost_usd,
    'billed' as cost_status,
from all_parts as p
join amounts as a using (cost_line_id, usage_hour_at, cost_class, workload_id, chip)
join lines as l using (cost_line_id)
