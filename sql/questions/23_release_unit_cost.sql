-- release_unit_cost: did a software release make a unit of work cheaper or dearer, at constant price?
-- column: software | what did the work, with its version, as told with the count
-- column: software_before | what did it before on the same chip
-- column: since_at | first hour in which it worked alone
-- column: hours | hours in which it worked alone
-- column: cost_per_million_units_before_usd | effective USD per million units of the one before, as paid
-- column: cost_per_million_units_usd | of this one, as paid
-- column: constant_price_cost_per_million_units_usd | of this one at the USD per device-hour of the one before
-- column: constant_price_change_ratio | that over the one before, minus 1: below 0 is cheaper. Speed and load together
-- column: speed_ratio | units per busy device-hour over those of the one before: what the software did, whatever the load
-- column: utilization_ratio | busy over held device time; with the price and the speed it makes the cost
-- column: utilization_before_ratio | of the one before
-- column: price_ratio | USD per device-hour over those of the one before: left out of the constant price
-- column: reason_if_null | why there is no comparison, '' where there is one
-- limit:  hours in which two versions worked side by side are left out, and so are hours without a version, a cost or a device
-- limit:  constant price is not constant load: more traffic fills a server and makes its units cheaper without a release. speed_ratio tells the two apart, where execution is known
-- limit:  what else changed with the release (a model, a prompt length, a batch size) no source tells
-- param:  min_hours = 6 | fewer hours of either side give no comparison
-- param:  workload_id = '' | only this workload; '' is all
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
with versions as (
    select
        workload_id,
        chip,
        unit,
        software,
        min(usage_hour_at) as since_at,
        count(*) as hours,
        sum(units) as units,
        sum(device_hours) as device_hours,
        sum(effective_cost_usd) as cost_usd,
        sum(busy_device_hours) as busy_device_hours,
        sum(known_device_hours) as known_device_hours,
    from mart_unit_cost_hourly
    where
        software not in ('', 'several')
        and effective_cost_usd is not null and device_hours > 0
        and usage_date >= cast($from_date as date) and usage_date < cast($to_date as date)
        and ($workload_id = '' or workload_id = $workload_id)
    group by workload_id, chip, unit, software
),

rates as (
    select
        *,
        cast(1000000 * cost_usd / nullif(units, 0) as decimal(38, 10)) as unit_cost_usd,
        cost_usd / device_hours as usd_per_device_hour,
        busy_device_hours / nullif(known_device_hours, 0) as utilization,
        units / nullif(device_hours * (busy_device_hours / nullif(known_device_hours, 0)), 0) as speed,
        device_hours / nullif(units, 0) as hours_per_unit,
    from versions
),

beside as (
    select
        *,
        lag(software) over releases as software_before,
        lag(hours) over releases as hours_before,
        lag(unit_cost_usd) over releases as unit_cost_before_usd,
        lag(usd_per_device_hour) over releases as usd_per_device_hour_before,
        lag(utilization) over releases as utilization_before,
        lag(speed) over releases as speed_before,
    from rates
    window releases as (partition by workload_id, chip, unit order by since_at, software)
),

reasoned as (
    select
        *,
        case
            when software_before is null then 'the first version told'
            when least(hours, hours_before) < cast($min_hours as integer) then 'too few hours of one of them'
            when unit_cost_usd is null or unit_cost_before_usd is null then 'zero units'
            when unit_cost_before_usd <= 0 then 'no cost before'
            else ''
        end as reason_if_null,
    from beside
)

select
    workload_id,
    chip,
    unit,
    software_before,
    software,
    since_at,
    hours,
    units,
    cast(cost_usd as decimal(38, 10)) as effective_cost_usd,
    unit_cost_before_usd as cost_per_million_units_before_usd,
    unit_cost_usd as cost_per_million_units_usd,
    case when reason_if_null = '' then cast(1000000 * usd_per_device_hour_before * hours_per_unit as decimal(38, 10)) end
        as constant_price_cost_per_million_units_usd,
    case
        when reason_if_null = ''
            then cast(
                1000000 * usd_per_device_hour_before * hours_per_unit / unit_cost_before_usd - 1 as decimal(18, 6)
            )
    end as constant_price_change_ratio,
    case when reason_if_null = '' then cast(speed / nullif(speed_before, 0) as decimal(18, 6)) end as speed_ratio,
    cast(utilization_before as decimal(18, 6)) as utilization_before_ratio,
    cast(utilization as decimal(18, 6)) as utilization_ratio,
    case
        when reason_if_null = ''
            then cast(usd_per_device_hour / nullif(usd_per_device_hour_before, 0) as decimal(18, 6))
    end as price_ratio,
    reason_if_null,
from reasoned
order by workload_id, chip, unit, since_at, software
