-- mart_workload_placement_daily: on which instance types each workload ran, and how full their nodes were, per UTC day.
-- grain:  usage_date, workload_id, chip, instance_type, region
-- column: usage_date | UTC day
-- column: workload_id | workload
-- column: chip | chip of the type
-- column: instance_type | EC2 instance type
-- column: region | AWS region, '' where unknown
-- column: device_hours | device-hours held
-- column: node_device_hours | the same with its share of what stood idle on those nodes at those hours
-- column: node_fill_ratio | device_hours over node_device_hours: how full its nodes were, by whomever
-- check:  fail | node_device_hours >= device_hours | a node holds its workloads
-- window: usage_date

with weights as (
    select *
    from int_hour_weights
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

nodes as (
    select
        usage_hour_at,
        instance_id,
        sum(cast(weight_ns as hugeint)) filter (where cost_class = 'workload') as held_ns,
        -- what nobody observed is neither held nor idle
        sum(cast(weight_ns as hugeint)) filter (where cost_class <> 'unattributed') as known_ns,
    from weights
    group by usage_hour_at, instance_id
),

placed as (
    select
        cast(w.usage_hour_at as date) as usage_date,
        w.workload_id,
        w.chip,
        w.instance_type,
        w.region,
        sum(cast(w.weight_ns as hugeint)) as device_ns,
        sum(cast(w.weight_ns as hugeint) * n.known_ns // n.held_ns) as node_ns,
    from weights as w
    join nodes as n using (usage_hour_at, instance_id)
    where w.cost_class = 'workload'
    group by cast(w.usage_hour_at as date), w.workload_id, w.chip, w.instance_type, w.region
)

select
    usage_date,
    workload_id,
    chip,
    instance_type,
    region,
    cast(cast(device_ns as decimal(28, 0)) * 0.000000001 / 3600 as decimal(18, 6)) as device_hours,
    cast(cast(node_ns as decimal(28, 0)) * 0.000000001 / 3600 as decimal(18, 6)) as node_device_hours,
    cast(cast(device_ns as double) / cast(node_ns as double) as decimal(9, 6)) as node_fill_ratio,
from placed
