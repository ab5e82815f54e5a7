-- marginal_replica: what would one more replica of each workload cost, against what one costs on average?
-- column: usage_date | UTC day that was looked at
-- column: replicas | replicas at work, mean over the hours in which any was
-- column: devices_per_replica | device time of the middle replica in its fullest hour: 0.25 is one of four cores, 0.428571 a MIG instance of three slices
-- column: average_usd_per_replica_hour | effective USD of the workload over the replica-hours whose money is known; NULL where none is
-- column: free_replicas_low | replicas that would have fitted into what nobody held on running instances of this type and cluster, in the worst hour of the day
-- column: free_replicas_mean | the same, mean over the hours
-- column: marginal_usd_per_replica_hour | USD of the next replica: 0 where one fits at every hour into what is paid for anyway, else next_instance_usd_per_hour over replicas_per_instance
-- column: next_instance_usd_per_hour | one more instance of the type, paid whole by the first replica that needs it
-- column: price_basis | what that price is: on_demand, else own_effective, else capacity_block, as in mart_chip_prices; '' without a price
-- column: replicas_per_instance | replicas that an empty instance holds
-- column: reason_if_null | why there is no marginal cost, '' where there is one
-- limit:  the same free place is offered to every workload that it would hold: count it once
-- limit:  a replica is a pod or tagged runtime on one instance; Slurm jobs have none. vCPU, memory, network and placement rules are not looked at: only accelerators
-- limit:  what is free was idle and paid, not promised: a reservation for peaks looks the same
-- param:  usage_date = (select max(usage_date) from fct_replica_cost_hourly where cost_status <> '') | UTC day to look at
-- param:  region = 'us-east-1' | AWS region of the price
-- param:  workload_id = '' | only this workload; '' is all
with held as (
    select *
    from fct_replica_cost_hourly
    where
        usage_date = cast($usage_date as date) and replica_kind in ('pod', 'tag')
        and instance_id <> '' and instance_type <> ''
),

-- a replica that came within an hour held less on average than it needs: its fullest hour speaks
replicas as (
    select
        workload_id,
        cluster,
        chip,
        instance_type,
        instance_id,
        replica_kind,
        replica,
        max(held_devices) as devices,
        max(part_share_ratio) as share,
        sum(held_device_hours) as device_hours,
        sum(held_device_hours) filter (where effective_cost_usd is not null) as costed_device_hours,
        sum(effective_cost_usd) as cost_usd,
    from held
    group by all
),

workloads as (
    select
        workload_id,
        cluster,
        chip,
        instance_type,
        quantile_disc(devices, 0.5) as devices,
        quantile_disc(share, 0.5) as share,
        cast(sum(device_hours / nullif(devices, 0)) as decimal(18, 6)) as replica_hours,
        cast(sum(costed_device_hours / nullif(devices, 0)) as decimal(18, 6)) as costed_replica_hours,
        sum(cost_usd) as cost_usd,
    from replicas
    group by all
),

hours as (
    select
        workload_id,
        cluster,
        chip,
        instance_type,
        count(distinct usage_hour_at) as hours,
    from held
    group by all
),

-- whole free GPUs and MIG instances, and free NeuronCores, of each instance and hour
free as (
    select
        f.usage_hour_at,
        f.instance_id,
        a.cluster,
        a.chip,
        a.instance_type,
        case
            when a.device_share_ratio < 1 then 'mig'
            when a.vendor = 'AWS' then 'core'
            else 'gpu'
        end as part_kind,
        a.device_share_ratio as share,
        sum(case
            when a.vendor = 'AWS' then 1 - least(f.allocated_seconds, f.observed_seconds) / f.observed_seconds
            when f.allocated_seconds = 0 then 1
            else 0
        end) as devices,
    from fct_accelerator_usage_hourly as f
    inner join dim_accelerator as a using (accelerator_id)
    where
        f.usage_hour_at >= cast($usage_date as date) and f.usage_hour_at < cast($usage_date as date) + interval 1 day
        and f.instance_id = a.instance_id and f.observed_seconds > 0
    group by all
),

places as (
    select
        w.workload_id,
        w.cluster,
        w.chip,
        w.instance_type,
        f.usage_hour_at,
        sum(case
            when f.part_kind = 'mig' and f.share >= w.share then f.devices
            when f.part_kind = 'gpu' and w.share is null and w.devices < 1
                then f.devices * floor(1.000001 / w.devices)
            when f.part_kind in ('core', 'gpu') and w.share is null then floor((f.devices + 0.000001) / w.devices)
            else 0
        end) as free_replicas,
    from workloads as w
    inner join free as f on w.cluster = f.cluster and w.chip = f.chip and w.instance_type = f.instance_type
    group by all
),

free_places as (
    select
        workload_id,
        cluster,
        chip,
        instance_type,
        cast(min(free_replicas) as bigint) as free_replicas_low,
        cast(avg(free_replicas) as decimal(18, 6)) as free_replicas_mean,
    from places
    group by all
),

known as (
    select max(known_date) as known_date
    from mart_chip_prices
),

prices as (
    select
        p.instance_type,
        p.device_count,
        p.price_basis,
        p.usd_per_hour,
    from mart_chip_prices as p
    cross join known as k
    where
        p.region in ('', $region) and p.price_basis in ('on_demand', 'capacity_block', 'own_effective')
        and p.valid_from_date <= k.known_date and k.known_date < p.valid_until_date
    qualify row_number() over (
        partition by p.instance_type
        order by list_position(['on_demand', 'own_effective', 'capacity_block'], p.price_basis), p.region desc
    ) = 1
),

beside as (
    select
        w.*,
        cast(w.cost_usd / nullif(w.costed_replica_hours, 0) as decimal(38, 10)) as average_usd,
        cast(w.replica_hours / h.hours as decimal(18, 6)) as replicas,
        f.free_replicas_low,
        f.free_replicas_mean,
        p.usd_per_hour,
        coalesce(p.price_basis, '') as price_basis,
        cast(case
            when w.share is not null then p.device_count * floor(1.000001 / w.share)
            when w.devices < 1 and w.chip not like 'Trainium%' and w.chip not like 'Inferentia%'
                then p.device_count * floor(1.000001 / w.devices)
            else floor((p.device_count + 0.000001) / w.devices)
        end as bigint) as replicas_per_instance,
    from workloads as w
    inner join hours as h using (workload_id, cluster, chip, instance_type)
    left join free_places as f using (workload_id, cluster, chip, instance_type)
    left join prices as p on w.instance_type = p.instance_type
)

select
    cast($usage_date as date) as usage_date,
    workload_id,
    cluster,
    chip,
    instance_type,
    replicas,
    devices as devices_per_replica,
    average_usd as average_usd_per_replica_hour,
    free_replicas_low,
    free_replicas_mean,
    cast(case
        when free_replicas_low > 0 then 0
        else usd_per_hour / nullif(replicas_per_instance, 0)
    end as decimal(38, 10)) as marginal_usd_per_replica_hour,
    usd_per_hour as next_instance_usd_per_hour,
    price_basis,
    replicas_per_instance,
    case
        when free_replicas_low > 0 then ''
        when usd_per_hour is null then 'no price of this instance type is known'
        when replicas_per_instance = 0 then 'a replica holds more than an instance has'
        else ''
    end as reason_if_null,
from beside
where $workload_id = '' or workload_id = $workload_id
order by average_usd_per_replica_hour desc nulls last, workload_id, instance_type
