-- cost_change: why does a day cost more or less than the same weekday a week before: price, volume or mix?
-- column: change_usd | effective USD of the day minus the day seven days before, held and idle accelerator time by chip and type
-- column: volume_usd | change in all device-hours times the earlier mean USD per device-hour, given to the types by their earlier cost
-- column: price_usd | the type's device-hours of the day times its change in USD per device-hour; 0 where it is new or gone
-- column: mix_usd | the rest: types that grew or shrank against the whole, new and gone ones with all their money
-- limit:  price + volume + mix = change exactly, in each row and in sum: what rounding of ratios to 1e-10 leaves is in mix
-- limit:  accelerators only, without fees for what was reserved and not used; a bill that is not whole yet looks like a fall in volume
-- param:  usage_date = (select cast(max(usage_hour_at) + interval 1 hour as date) - 1 from fct_cost_allocated_hourly where cost_status = 'billed') | UTC day to explain, by default the last that is billed to its end
with sides as (
    select
        case usage_date when cast($usage_date as date) then 'now' else 'then' end as side,
        instance_type,
        chip,
        sum(effective_cost_usd) as cost_usd,
    from fct_cost_allocated_hourly
    where
        chip <> 'other' and cost_class in ('workload', 'idle.unallocated', 'unattributed')
        and usage_date in (cast($usage_date as date), cast($usage_date as date) - 7)
    group by side, instance_type, chip
),

capacity as (
    select
        case usage_date when cast($usage_date as date) then 'now' else 'then' end as side,
        instance_type,
        chip,
        sum(device_hours) as device_hours,
    from mart_accelerator_utilization_daily
    where usage_date in (cast($usage_date as date), cast($usage_date as date) - 7)
    group by side, instance_type, chip
),

types as (
    select
        s.instance_type,
        s.chip,
        coalesce(sum(s.cost_usd) filter (where s.side = 'then'), 0) as cost_before_usd,
        coalesce(sum(s.cost_usd) filter (where s.side = 'now'), 0) as cost_usd,
        coalesce(sum(c.device_hours) filter (where s.side = 'then'), 0) as device_hours_before,
        coalesce(sum(c.device_hours) filter (where s.side = 'now'), 0) as device_hours,
    from sides as s
    left join capacity as c on s.side = c.side and s.instance_type = c.instance_type and s.chip = c.chip
    group by s.instance_type, s.chip
),

whole as (
    select
        sum(device_hours) as device_hours,
        sum(device_hours_before) as device_hours_before,
    from types
),

effects as (
    select
        t.*,
        t.cost_usd - t.cost_before_usd as change_usd,
        w.device_hours_before > 0 as is_comparable,
        coalesce(cast(
            t.cost_before_usd * cast(
                (w.device_hours - w.device_hours_before) / nullif(w.device_hours_before, 0) as decimal(18, 10)
            ) as decimal(38, 10)
        ), 0) as volume_usd,
        case
            when t.device_hours > 0 and t.device_hours_before > 0
                then cast(t.cost_usd - t.cost_before_usd * cast(
                    t.device_hours / t.device_hours_before as decimal(18, 10)
                ) as decimal(38, 10))
            else 0
        end as price_usd,
    from types as t
    cross join whole as w
)

select
    instance_type,
    chip,
    device_hours_before,
    device_hours,
    cost_before_usd,
    cost_usd,
    change_usd,
    case when is_comparable then price_usd end as price_usd,
    case when is_comparable then volume_usd end as volume_usd,
    case when is_comparable then change_usd - price_usd - volume_usd end as mix_usd,
    case when not is_comparable then 'nothing known of the day seven days before' end as reason_if_null,
from effects
order by abs(change_usd) desc, instance_type, chip
