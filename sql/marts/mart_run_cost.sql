-- mart_run_cost: what a workload cost over its whole life for each unit of work: training runs, steps, epochs.
-- grain:  workload_id, unit
-- column: workload_id | workload; the attempts of a job share one
-- column: unit | unit its work is counted in. Each row carries the whole cost: never sum over units
-- column: first_date | first UTC day with money or work
-- column: last_date | last such day
-- column: units | how many were counted in all
-- column: uncosted_units | the part of them on days without money allocated (no telemetry, no bill): they share in no cost
-- column: effective_cost_usd | USD of every day, of those too on which an attempt failed before it counted anything
-- column: uncounted_cost_usd | the part of it on days without work counted: mostly attempts that failed or were waiting
-- column: device_hours | device-hours held
-- column: cost_per_unit_usd | effective cost per unit that shares in it; NULL with a reason
-- column: cost_per_million_units_usd | the same per million
-- column: cost_status | billed, or estimated where a part of the money is; NULL without money
-- column: reason_if_null | why there is no unit cost, '' where there is one
-- check:  fail | (cost_per_unit_usd is null) = (reason_if_null <> '') | a missing unit cost says why
-- check:  warn | effective_cost_usd is null or uncounted_cost_usd between 0 and effective_cost_usd | a part is more than the whole: negative lines outweigh the use of some days (see mart_workload_cost_daily)

with costs as (
    select
        workload_id,
        usage_date,
        sum(effective_cost_usd) as effective_cost_usd,
        sum(device_hours) as device_hours,
        bool_or(cost_status = 'estimated') as is_estimated,
    from mart_workload_cost_daily
    group by workload_id, usage_date
),

work as (
    select
        workload_id,
        usage_date,
        unit,
        sum(units) as units,
    from int_work_unit_chips
    group by workload_id, usage_date, unit
),

days as (
    select
        coalesce(c.workload_id, w.workload_id) as workload_id,
        coalesce(c.unit, w.unit) as unit,
        coalesce(c.usage_date, w.usage_date) as usage_date,
        w.units,
        c.effective_cost_usd,
        c.device_hours,
        coalesce(c.is_estimated, false) as is_estimated,
    from (
        select
            costs.*,
            u.unit,
        from costs
        join int_workload_units as u using (workload_id)
    ) as c
    full join work as w
        on c.workload_id = w.workload_id and c.unit = w.unit and c.usage_date = w.usage_date
),

lives as (
    select
        workload_id,
        unit,
        min(usage_date) as first_date,
        max(usage_date) as last_date,
        coalesce(sum(units), 0) as units,
        coalesce(sum(units) filter (where effective_cost_usd is null), 0) as uncosted_units,
        sum(effective_cost_usd) as effective_cost_usd,
        coalesce(sum(effective_cost_usd) filter (where coalesce(units, 0) = 0), 0) as uncounted_cost_usd,
        sum(device_hours) as device_hours,
        bool_or(is_estimated) as is_estimated,
        case
            when sum(effective_cost_usd) is null then 'no cost allocated'
            when coalesce(sum(units) filter (where effective_cost_usd is not null), 0) = 0 then 'zero units'
            else ''
        end as reason_if_null,
    from days
    group by workload_id, unit
),

-- in 1e-10 USD, rounded half away from 0
priced as (
    select
        *,
        cast(effective_cost_usd * 10000000000 as hugeint) as cost_units,
        case when reason_if_null = '' then cast(units - uncosted_units as hugeint) end as divisor,
    from lives
)

select
    workload_id,
    unit,
    first_date,
    last_date,
    cast(units as bigint) as units,
    cast(uncosted_units as bigint) as uncosted_units,
    cast(effective_cost_usd as decimal(38, 10)) as effective_cost_usd,
    cast(uncounted_cost_usd as decimal(38, 10)) as uncounted_cost_usd,
    cast(device_hours as decimal(24, 6)) as device_hours,
    cast(cast(sign(cost_units) * ((abs(cost_units) * 2 + divisor) // (divisor * 2)) as decimal(38, 0)) * 0.0000000001 as decimal(38, 10))
        as cost_per_unit_usd,
    cast(
        cast(sign(cost_units) * ((abs(cost_units) * 2000000 + divisor) // (divisor * 2)) as decimal(38, 0)) * 0.0000000001
        as decimal(38, 10)
    ) as cost_per_million_units_usd,
    case when effective_cost_usd is not null then case when is_estimated then 'estimated' else 'billed' end end
        as cost_status,
    reason_if_null,
from priced
