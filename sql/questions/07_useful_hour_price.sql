-- useful_hour_price: what does an hour of a working accelerator cost, idle and unseen time included?
-- column: effective_cost_usd | effective USD of accelerators, whoever held them, with what was reserved and not used
-- column: busy_device_hours | device-hours of execution; time not known to work or rest counts at the known ratio of its day
-- column: known_ratio | part of the capacity that telemetry covered: the nearer to 1, the better the answer
-- column: usd_per_busy_device_hour | cost over busy device-hours; NULL where reason_if_null says why
-- limit:  days without telemetry of an instance type are left out, money and hours, since nobody knows what worked
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
with work as (
    select
        usage_date,
        chip,
        instance_type,
        sum(device_hours) as device_hours,
        sum(observed_device_hours) as observed_device_hours,
        sum(cast(device_hours * busy_ratio as decimal(38, 10))) as busy_device_hours,
        bool_and(busy_ratio is not null) as is_known,
    from mart_accelerator_utilization_daily
    where
        observed_device_hours > 0
        and usage_date >= cast($from_date as date) and usage_date < cast($to_date as date)
    group by usage_date, chip, instance_type
),

paid as (
    select
        usage_date,
        chip,
        instance_type,
        sum(effective_cost_usd) as effective_cost_usd,
    from fct_cost_allocated_hourly
    where cost_class not in ('adjustment', 'shared')
    group by usage_date, chip, instance_type
),

chips as (
    select
        w.chip,
        count(distinct w.usage_date) as days,
        sum(p.effective_cost_usd) as effective_cost_usd,
        sum(w.device_hours) as device_hours,
        sum(w.observed_device_hours) as observed_device_hours,
        case when bool_and(w.is_known) then sum(w.busy_device_hours) end as busy_device_hours,
    from work as w
    inner join paid as p on w.usage_date = p.usage_date and w.chip = p.chip and w.instance_type = p.instance_type
    group by w.chip
)

select
    chip,
    days,
    effective_cost_usd,
    device_hours,
    busy_device_hours,
    cast(observed_device_hours / nullif(device_hours, 0) as decimal(18, 6)) as known_ratio,
    cast(effective_cost_usd / nullif(busy_device_hours, 0) as decimal(38, 10)) as usd_per_busy_device_hour,
    case
        when busy_device_hours is null then 'no source tells whether it worked'
        when busy_device_hours = 0 then 'it never worked'
    end as reason_if_null,
from chips
order by effective_cost_usd desc, chip
