-- fct_cost_allocated_hourly: every cent of the bill in exactly one class: workload, idle, shared, unattributed or adjustment.
-- grain:  usage_hour_at, cost_line_id, cost_class, workload_id, chip
-- column: usage_hour_at | UTC hour the money belongs to
-- column: usage_date | UTC day the money belongs to
-- column: cost_line_id | line of the bill, or estimate/<hour>/<instance>
-- column: cost_class | workload, idle.unallocated, idle.reserved_unused, shared, unattributed or adjustment
-- column: workload_id | workload, '' in the other classes
-- column: chip | chip of the instance, other where the line has none
-- column: account_id | usage account
-- column: region | AWS region, '' where the line has none
-- column: cluster | cluster, '-' where unknown
-- column: instance_id | EC2 instance, '' where the line has none
-- column: instance_type | EC2 instance type, '' where the line has none
-- column: record_type | record type of the line, Estimate where no bill covers the hour yet
-- column: cost_source | cur, focus, cost_explorer or estimate
-- column: allocation_policy | the policy that divided the line's hour: accelerator_only, mig_slices, scad or opencost; mixed where several did, '' for a line that is not spread
-- column: billed_cost_usd | USD as invoiced
-- column: effective_cost_usd | USD after discounts, commitments and upfront fees spread over use
-- column: list_cost_usd | USD at public on-demand price; NULL where the line has none
-- column: cost_status | billed: from a billing delivery; estimated: inventory times price, until the bill covers the hour
-- check:  fail | cost_class in ('workload', 'idle.unallocated', 'idle.reserved_unused', 'shared', 'unattributed', 'adjustment') | money outside the classes is lost
-- check:  fail | (cost_class = 'workload') = (workload_id <> '') | only workloads have a workload id
-- check:  fail | query: select l.cost_line_id, l.billed_cost_usd, sum(f.billed_cost_usd) as allocated_usd from int_cost_lines as l left join fct_cost_allocated_hourly as f on f.cost_line_id = l.cost_line_id and f.usage_hour_at >= $start_at and f.usage_hour_at < $end_at where l.usage_hour_at >= $start_at and l.usage_hour_at < $end_at group by l.cost_line_id, l.billed_cost_usd, l.effective_cost_usd, l.list_cost_usd having l.billed_cost_usd is distinct from sum(f.billed_cost_usd) or l.effective_cost_usd is distinct from sum(f.effective_cost_usd) or l.list_cost_usd is distinct from sum(f.list_cost_usd) | the rows of a line sum to the line in every basis, exactly
-- window: usage_date

with lines as (
    select
        cost_line_id,
        account_id,
        region,
        instance_type,
        record_type,
        cost_source,
        'billed' as cost_status,
        cast(billed_cost_usd * 10000000000 as hugeint) as billed_units,
        cast(effective_cost_usd * 10000000000 as hugeint) as effective_units,
        cast(list_cost_usd * 10000000000 as hugeint) as list_units,
    from int_cost_lines
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    union all
    select
        cost_line_id,
        account_id,
        region,
        instance_type,
        'Estimate' as record_type,
        'estimate' as cost_source,
        'estimated' as cost_status,
        cast(billed_cost_usd * 10000000000 as hugeint) as billed_units,
        cast(effective_cost_usd * 10000000000 as hugeint) as effective_units,
        cast(list_cost_usd * 10000000000 as hugeint) as list_units,
    from int_hour_estimates
    where
        not is_covered
        and price_source <> 'none'
        and usage_hour_at >= $start_at
        and usage_hour_at < $end_at
),

parts as (
    select
        *,
        cast(weight as hugeint) as part_weight,
        cast(sum(weight) over (partition by cost_line_id) as hugeint) as line_weight,
    from int_cost_parts
    where usage_date >= cast($start_at as date) and usage_date < cast($end_at as date)
),

-- whole units of 1e-10 USD; what is missing to the line goes to the largest remainders, ties by key
floors as (
    select
        p.* exclude (weight, region),
        coalesce(nullif(p.region, ''), l.region) as region,
        l.account_id,
        l.instance_type,
        l.record_type,
        l.cost_source,
        l.cost_status,
        l.billed_units,
        l.effective_units,
        l.list_units,
        abs(l.billed_units) * p.part_weight // p.line_weight as billed_floor,
        abs(l.billed_units) * p.part_weight % p.line_weight as billed_remainder,
        abs(l.effective_units) * p.part_weight // p.line_weight as effective_floor,
        abs(l.effective_units) * p.part_weight % p.line_weight as effective_remainder,
        abs(l.list_units) * p.part_weight // p.line_weight as list_floor,
        abs(l.list_units) * p.part_weight % p.line_weight as list_remainder,
    from parts as p
    join lines as l using (cost_line_id)
    where p.part_weight < p.line_weight
),

ranked as (
    select
        *,
        sum(billed_floor) over line as billed_floors,
        sum(effective_floor) over line as effective_floors,
        sum(list_floor) over line as list_floors,
        row_number() over (
            partition by cost_line_id order by billed_remainder desc, usage_hour_at, cost_class, workload_id, chip
        ) as billed_rank,
        row_number() over (
            partition by cost_line_id order by effective_remainder desc, usage_hour_at, cost_class, workload_id, chip
        ) as effective_rank,
        row_number() over (
            partition by cost_line_id order by list_remainder desc, usage_hour_at, cost_class, workload_id, chip
        ) as list_rank,
    from floors
    window line as (partition by cost_line_id)
),

exact as (
    select
        *,
        sign(billed_units)
        * (billed_floor + case when billed_rank <= abs(billed_units) - billed_floors then 1 else 0 end) as billed,
        sign(effective_units)
        * (effective_floor + case when effective_rank <= abs(effective_units) - effective_floors then 1 else 0 end)
            as effective,
        sign(list_units) * (list_floor + case when list_rank <= abs(list_units) - list_floors then 1 else 0 end)
            as list,
    from ranked
    union all by name
    -- a line of one part has nothing to divide
    select
        p.* exclude (weight, region),
        coalesce(nullif(p.region, ''), l.region) as region,
        l.account_id,
        l.instance_type,
        l.record_type,
        l.cost_source,
        l.cost_status,
        l.billed_units as billed,
        l.effective_units as effective,
        l.list_units as list,
    from parts as p
    join lines as l using (cost_line_id)
    where p.part_weight = p.line_weight
)

select
    usage_hour_at,
    usage_date,
    cost_line_id,
    cost_class,
    workload_id,
    chip,
    account_id,
    region,
    cluster,
    instance_id,
    instance_type,
    record_type,
    cost_source,
    allocation_policy,
    cast(cast(billed as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) as billed_cost_usd,
    cast(cast(effective as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) as effective_cost_usd,
    cast(cast(list as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) as list_cost_usd,
    cost_status,
from exact
