-- int_instance_hours: the device time that each accelerated instance was paid for in each UTC hour.
-- grain:  usage_hour_at, instance_id
-- column: usage_hour_at | UTC hour
-- column: instance_id | EC2 instance
-- column: account_id | account that pays
-- column: region | AWS region, '' where unknown
-- column: cluster | cluster, '-' where unknown
-- column: instance_type | EC2 instance type
-- column: chip | chip of its devices
-- column: device_count | accelerators of the instance
-- column: is_spot | the inventory calls it a spot instance
-- column: capacity_ns | device-nanoseconds: billed instance time times devices; where no export bills the hour (yet) the time it existed, or was observed where no inventory knows it
-- column: capacity_source | cur, focus, inventory or telemetry
-- check:  fail | capacity_ns >= 0 | capacity is never negative
-- check:  warn | capacity_ns <= 3600000000000 * cast(device_count as bigint) | an instance billed for more than the hour: two bills for one hour?
-- window: usage_hour_at

with billed as (
    select
        usage_hour_at,
        instance_id,
        max(account_id) as account_id,
        max(region) as region,
        max(instance_type) as instance_type,
        max(cost_source) as capacity_source,
        greatest(sum(usage_ms), 0) as usage_ms,
    from int_cost_lines
    where
        line_class = 'accelerator'
        and cost_source in ('cur', 'focus')
        and usage_hour_at >= $start_at
        and usage_hour_at < $end_at
    group by usage_hour_at, instance_id
),

lives as (
    select
        d.instance_id,
        d.account_id,
        d.instance_type,
        d.from_at,
        d.until_at,
        unnest(generate_series(
            date_trunc('hour', d.from_at), d.until_at - interval 1 millisecond, interval 1 hour
        )) as usage_hour_at,
    from int_instance_days as d
    join seed_instance_types using (instance_type)
    where d.usage_date >= cast($start_at as date) and d.usage_date <= cast($end_at as date)
),

-- the hours that an export speaks for are those it bills
exported as (
    select
        s.account_id,
        s.billing_period,
        c.covered_until_at,
    from int_bill_sources as s
    join int_bill_coverage as c using (account_id)
),

existed as (
    select
        usage_hour_at,
        instance_id,
        max(account_id) as account_id,
        max(instance_type) as instance_type,
        sum(
            epoch_ms(least(until_at, usage_hour_at + interval 1 hour)) - epoch_ms(greatest(from_at, usage_hour_at))
        ) as usage_ms,
    from lives
    anti join exported as e
        on
            lives.account_id = e.account_id
            and e.billing_period = cast(date_trunc('month', lives.usage_hour_at) as date)
            and lives.usage_hour_at < e.covered_until_at
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    group by usage_hour_at, instance_id
),

-- an instance that the inventory does not know belongs to the one account that pays for its type that day
payers as (
    select
        usage_date,
        instance_type,
        min(account_id) as account_id,
    from int_cost_lines
    where
        line_class = 'accelerator'
        and cost_source = 'cost_explorer'
        and usage_hour_at >= date_trunc('day', $start_at)
        and usage_hour_at < $end_at
    group by usage_date, instance_type
    having count(distinct account_id) = 1
),

observed as (
    select
        h.usage_hour_at,
        h.instance_id,
        coalesce(i.account_id, p.account_id) as account_id,
        coalesce(i.instance_type, h.instance_type) as instance_type,
        max(h.device_observed_ms) as usage_ms,
    from int_accelerator_hours as h
    left join int_instances as i using (instance_id)
    left join payers as p
        on coalesce(i.instance_type, h.instance_type) = p.instance_type and cast(h.usage_hour_at as date) = p.usage_date
    anti join exported as e
        on
            e.account_id = coalesce(i.account_id, p.account_id)
            and e.billing_period = cast(date_trunc('month', h.usage_hour_at) as date)
            and h.usage_hour_at < e.covered_until_at
    where h.usage_hour_at >= $start_at and h.usage_hour_at < $end_at and h.instance_id <> ''
    group by
        h.usage_hour_at,
        h.instance_id,
        coalesce(i.account_id, p.account_id),
        coalesce(i.instance_type, h.instance_type)
),

paid as (
    select *
    from billed
    union all by name
    -- what telemetry saw existed, also after the newest inventory
    select
        usage_hour_at,
        instance_id,
        coalesce(existed.account_id, observed.account_id) as account_id,
        coalesce(existed.instance_type, observed.instance_type) as instance_type,
        greatest(coalesce(existed.usage_ms, 0), coalesce(observed.usage_ms, 0)) as usage_ms,
        '' as region,
        case when existed.instance_id is null then 'telemetry' else 'inventory' end as capacity_source,
    from existed
    full join observed using (usage_hour_at, instance_id)
    anti join billed using (usage_hour_at, instance_id)
    where coalesce(existed.account_id, observed.account_id) is not null
)

select
    p.usage_hour_at,
    p.instance_id,
    p.account_id,
    coalesce(nullif(p.region, ''), i.region, '') as region,
    coalesce(i.cluster, '-') as cluster,
    p.instance_type,
    t.chip,
    t.device_count,
    coalesce(i.lifecycle = 'spot', false) as is_spot,
    cast(p.usage_ms * 1000000 * t.device_count as bigint) as capacity_ns,
    p.capacity_source,
from paid as p
join seed_instance_types as t using (instance_type)
left join int_instances as i using (instance_id)
