-- fct_replica_cost_hourly: what each replica of a workload (pod, Slurm job, tagged runtime) held of an instance in each UTC hour, and its part of the money.
-- grain:  usage_hour_at, instance_id, workload_id, replica_kind, replica
-- column: usage_hour_at | UTC hour
-- column: usage_date | UTC day
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: workload_id | workload
-- column: replica_kind | pod, slurm or tag
-- column: replica | namespace/pod, Slurm job or runtime tag
-- column: cluster | cluster, '-' where unknown
-- column: instance_type | EC2 instance type, '' where unknown
-- column: chip | chip
-- column: part_share_ratio | part of its device that the smallest MIG instance it held is, by compute slices; NULL where it held none
-- column: held_devices | devices held, mean over the time that the accelerators it held were observed: 0.25 for one of four cores
-- column: held_device_hours | device-hours held
-- column: busy_device_hours | device-hours of execution; NULL where unknown
-- column: known_device_hours | the part of held_device_hours whose execution is known
-- column: effective_cost_usd | part of what its workload cost on the instance, by held device time; the replicas sum to the workload exactly. NULL where no money is allocated, or where a daily group of Cost Explorer holds the workload's hours on several instances
-- column: cost_status | billed, or estimated where a part of the money is; '' without money
-- check:  fail | held_devices >= 0 | nobody holds less than nothing
-- check:  fail | (effective_cost_usd is null) = (cost_status = '') | money has a status
-- check:  fail | query: with replicas as (select usage_hour_at, instance_id, workload_id, sum(effective_cost_usd) as usd from fct_replica_cost_hourly where usage_hour_at >= $start_at and usage_hour_at < $end_at and effective_cost_usd is not null group by all), workloads as (select usage_hour_at, instance_id, workload_id, sum(effective_cost_usd) as usd from fct_cost_allocated_hourly where cost_class = 'workload' and instance_id <> '' and usage_hour_at >= $start_at and usage_hour_at < $end_at group by all) select usage_hour_at, instance_id, workload_id, r.usd as replicas_usd, w.usd as workload_usd from replicas as r left join workloads as w using (usage_hour_at, instance_id, workload_id) where r.usd is distinct from w.usd | the replicas of a workload share its money exactly
-- window: usage_hour_at

with holdings as (
    select
        h.usage_hour_at,
        h.instance_id,
        w.workload_id,
        split_part(h.owner_id, chr(31), 1) as replica_kind,
        case split_part(h.owner_id, chr(31), 1)
            when 'pod' then split_part(h.owner_id, chr(31), 2) || '/' || split_part(h.owner_id, chr(31), 3)
            else split_part(h.owner_id, chr(31), 2)
        end as replica,
        a.cluster,
        a.instance_type,
        a.chip,
        case when h.device_slice_count > 1 then cast(h.slice_count / h.device_slice_count as decimal(9, 6)) end
            as part_share_ratio,
        h.held_ns * h.slice_count // h.device_slice_count as held_ns,
        h.busy_ns * h.slice_count // h.device_slice_count as busy_ns,
        h.busy_held_ns * h.slice_count // h.device_slice_count as known_ns,
        u.observed_ms,
    from int_holdings as h
    join int_owner_workloads as w using (usage_hour_at, instance_id, owner_id)
    join int_accelerators as a using (accelerator_id, instance_id)
    join int_accelerator_hours as u using (usage_hour_at, accelerator_id, instance_id)
    where
        h.usage_hour_at >= $start_at
        and h.usage_hour_at < $end_at
        and w.usage_hour_at >= $start_at
        and w.usage_hour_at < $end_at
        and u.usage_hour_at >= $start_at
        and u.usage_hour_at < $end_at
),

replicas as (
    select
        usage_hour_at,
        instance_id,
        workload_id,
        replica_kind,
        replica,
        max(cluster) as cluster,
        max(instance_type) as instance_type,
        max(chip) as chip,
        min(part_share_ratio) as part_share_ratio,
        sum(held_ns // observed_ms) as held_ppm,
        sum(held_ns) as held_ns,
        sum(busy_ns) as busy_ns,
        sum(known_ns) as known_ns,
    from holdings
    group by usage_hour_at, instance_id, workload_id, replica_kind, replica
    having sum(held_ns) > 0
),

money as (
    select
        usage_hour_at,
        instance_id,
        workload_id,
        sum(cast(effective_cost_usd * 10000000000 as hugeint)) as cost_units,
        bool_or(cost_status = 'estimated') as is_estimated,
    from fct_cost_allocated_hourly
    where
        cost_class = 'workload'
        and instance_id <> ''
        and usage_date >= cast($start_at as date)
        and usage_date <= cast($end_at as date)
        and usage_hour_at >= $start_at
        and usage_hour_at < $end_at
    group by usage_hour_at, instance_id, workload_id
),

shares as (
    select
        r.*,
        m.cost_units,
        m.is_estimated,
        sum(r.held_ns) over workload as every_ns,
        sum(r.held_ns) over (
            partition by r.usage_hour_at, r.instance_id, r.workload_id order by r.replica_kind, r.replica
        ) as until_ns,
    from replicas as r
    left join money as m using (usage_hour_at, instance_id, workload_id)
    window workload as (partition by r.usage_hour_at, r.instance_id, r.workload_id)
)

select
    usage_hour_at,
    cast(usage_hour_at as date) as usage_date,
    instance_id,
    workload_id,
    replica_kind,
    replica,
    cluster,
    instance_type,
    chip,
    part_share_ratio,
    cast(cast(held_ppm as decimal(28, 0)) * 0.000001 as decimal(18, 6)) as held_devices,
    cast(cast(held_ns as decimal(28, 0)) * 0.000000001 / 3600 as decimal(18, 6)) as held_device_hours,
    cast(cast(busy_ns as decimal(28, 0)) * 0.000000001 / 3600 as decimal(18, 6)) as busy_device_hours,
    cast(cast(known_ns as decimal(28, 0)) * 0.000000001 / 3600 as decimal(18, 6)) as known_device_hours,
    -- what is spent until a replica is rounded down: they sum to the workload exactly
    cast(
        cast(
            sign(cost_units)
            * (abs(cost_units) * until_ns // every_ns - abs(cost_units) * (until_ns - held_ns) // every_ns)
            as decimal(28, 0)
        ) * 0.0000000001 as decimal(38, 10)
    ) as effective_cost_usd,
    case when cost_units is null then '' when is_estimated then 'estimated' else 'billed' end as cost_status,
from shares
