-- mart_idle_cost_daily: the money that no workload answers for, per UTC day: idle, reserved and unused, unattributed.
-- grain:  usage_date, cost_class, instance_type, chip, account_id, region, cluster
-- column: usage_date | UTC day
-- column: cost_class | idle.unallocated, idle.reserved_unused or unattributed (which also holds services that are no accelerator: chip other)
-- column: instance_type | EC2 instance type, '' where the line has none
-- column: chip | chip of the instance, other where the line has none
-- column: account_id | usage account
-- column: region | AWS region, '' where the line has none
-- column: cluster | cluster, '-' where unknown
-- column: effective_cost_usd | USD after discounts, commitments and upfront fees spread over use, of the hours that a bill covers
-- column: billed_cost_usd | USD as invoiced: a Savings Plan or reservation fee stands here whole, used or not; use effective to rank
-- column: estimated_cost_usd | the same as estimated for the hours that no bill covers yet: never in the two above
-- column: device_hours | device-hours of capacity of that kind, billed, estimated or without a price; NULL where the line is no instance time, or where a daily group of Cost Explorer lays regions or clusters together
-- check:  fail | cost_class like 'idle.%' or cost_class = 'unattributed' | only money without a workload stands here
-- check:  fail | device_hours is null or device_hours >= 0 | capacity is never negative
-- window: usage_date

with costs as (
    select
        usage_date,
        cost_class,
        instance_type,
        chip,
        account_id,
        region,
        cluster,
        coalesce(sum(effective_cost_usd) filter (where cost_status = 'billed'), 0) as effective_cost_usd,
        coalesce(sum(billed_cost_usd) filter (where cost_status = 'billed'), 0) as billed_cost_usd,
        coalesce(sum(effective_cost_usd) filter (where cost_status = 'estimated'), 0) as estimated_cost_usd,
    from fct_cost_allocated_hourly
    where
        (cost_class like 'idle.%' or cost_class = 'unattributed')
        and usage_date >= cast($start_at as date)
        and usage_date < cast($end_at as date)
    group by usage_date, cost_class, instance_type, chip, account_id, region, cluster
),

capacity as (
    select
        cast(usage_hour_at as date) as usage_date,
        cost_class,
        instance_type,
        chip,
        account_id,
        region,
        cluster,
        sum(weight_ns) as weight_ns,
    from int_hour_weights
    where cost_class <> 'workload' and usage_hour_at >= $start_at and usage_hour_at < $end_at
    group by cast(usage_hour_at as date), cost_class, instance_type, chip, account_id, region, cluster
)

select
    c.usage_date,
    c.cost_class,
    c.instance_type,
    c.chip,
    c.account_id,
    c.region,
    c.cluster,
    cast(c.effective_cost_usd as decimal(38, 10)) as effective_cost_usd,
    cast(c.billed_cost_usd as decimal(38, 10)) as billed_cost_usd,
    cast(c.estimated_cost_usd as decimal(38, 10)) as estimated_cost_usd,
    cast(cast(p.weight_ns as decimal(28, 0)) * 0.000000001 / 3600 as decimal(18, 6)) as device_hours,
from costs as c
left join capacity as p using (usage_date, cost_class, instance_type, chip, account_id, region, cluster)
