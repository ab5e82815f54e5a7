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
-- column: capacity_ns | device-nanoseconds: billed instance time times devices; for an account without a CUR the time it existed
-- column: capacity_source | cur or inventory
-- check:  fail | capacity_ns >= 0 | capacity is never negative
-- check:  warn | capacity_ns <= 3600000000000 * cast(device_count as bigint) | an instance billed for more than the hour: two bills for one hour?
-- window: usage_hour_at

with billed as (
    select
        usage_hour_at,
        instance_id,
        any_value(account_id) as account_id,
        max(region) as region,
        max(instance_type) as instance_type,
        sum(usage_ms) as usage_ms,
    from int_cost_lines
    where
        line_class = 'accelerator'
        and cost_source = 'cur'
        and usage_hour_at >= $start_at
        and usage_hour_at < $end_at
    group by usage_hour_at, instance_id
),

cur_periods as (
    select distinct
        account_id,
        billing_period,
    from stg_cur_lines
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
    where
        d.usage_date >= cast($start_at as date)
        and d.usage_date <= cast($end_at as date)
        and not exists (
            select 1
            from cur_periods as p
            where p.account_id = d.account_id and p.billing_period = cast(date_trunc('month', d.usage_date) as date)
        )
),

existed as (
    select
        usage_hour_at,
        instance_id,
        any_value(account_id) as account_id,
        max(instance_type) as instance_type,
        sum(
            epoch_ms(least(until_at, usage_hour_at + interval 1 hour)) - epoch_ms(greatest(from_at, usage_hour_at))
        ) as usage_ms,
    from lives
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    group by usage_hour_at, instance_id
),

paid as (
    select
        *,
        'cur' as capacity_source,
    from billed
    union all by name
    select
        existed.*,
        '' as region,
        'inventory' as capacity_source,
    from existed
    anti join billed using (usage_hour_at, instance_id)
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
    cast(p.usage_ms * 1000000 * t.device_count as bigint) as capacity_ns,
    p.capacity_source,
from paid as p
join seed_instance_types as t using (instance_type)
left join int_instances as i using (instance_id)
