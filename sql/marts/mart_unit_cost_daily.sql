-- mart_unit_cost_daily: what a token, request, step or run cost, per UTC day, workload, chip and unit.
-- grain:  usage_date, workload_id, chip, unit
-- column: usage_date | UTC day
-- column: workload_id | workload
-- column: chip | chip that did the work; other where the workload held none that day
-- column: unit | prompt_tokens, output_tokens, requests, steps, runs, checkpoints or epochs. Each row carries the whole cost of its workload and chip: never sum over units
-- column: units | how many; NULL where nobody counted
-- column: effective_cost_usd | USD after discounts and commitments, failed and restarted attempts included; NULL where no money is allocated
-- column: billed_cost_usd | USD as invoiced
-- column: device_hours | device-hours held, of billed and estimated hours together
-- column: cost_per_million_units_usd | effective cost per million units; NULL with a reason
-- column: cost_per_thousand_units_usd | the same per thousand, as one asks of requests
-- column: cost_per_unit_usd | the same per unit, as one asks of steps, runs and epochs
-- column: cost_status | billed, or estimated where a part of the money is
-- column: division | how the work came to its chip: instance, held_time (by device time, where the work is not told by instance), none
-- column: counted_ratio | part of the held device time in hours in which this work was counted: the cost is that of the whole day, so below 1 either nothing was done in the other hours, or nobody counted
-- column: reason_if_null | why there is no unit cost, '' where there is one
-- check:  fail | (cost_per_million_units_usd is null) = (reason_if_null <> '') | a missing unit cost says why
-- check:  fail | cost_per_million_units_usd is null or units > 0 | nothing is divided by zero units
-- check:  warn | reason_if_null <> 'no work counted on this day' | money was spent on days without any count of work: deliver work_units for them
-- window: usage_date

with costs as (
    select
        usage_date,
        workload_id,
        chip,
        sum(effective_cost_usd) as effective_cost_usd,
        sum(billed_cost_usd) as billed_cost_usd,
        sum(device_hours) as device_hours,
        case when bool_or(cost_status = 'estimated') then 'estimated' else 'billed' end as cost_status,
    from mart_workload_cost_daily
    where usage_date >= $start_at and usage_date < $end_at
    group by usage_date, workload_id, chip
),

-- days on which a workload cost money and nobody counted its work, from its first count on
asked as (
    select
        c.usage_date,
        c.workload_id,
        c.chip,
        u.unit,
    from costs as c
    join int_workload_units as u
        on c.workload_id = u.workload_id and c.usage_date >= cast(u.valid_from_at as date)
    union
    select
        usage_date,
        workload_id,
        chip,
        unit,
    from int_work_unit_chips
    where usage_date >= $start_at and usage_date < $end_at
),

beside as (
    select
        a.usage_date,
        a.workload_id,
        a.chip,
        a.unit,
        w.units,
        c.effective_cost_usd,
        c.billed_cost_usd,
        c.device_hours,
        c.cost_status,
        coalesce(w.division, 'none') as division,
        w.counted_ratio,
        case
            when c.effective_cost_usd is null and a.chip = 'other' then 'no accelerator held'
            when c.effective_cost_usd is null then 'no cost allocated: the bill does not cover this day yet'
            when w.units is null then 'no work counted on this day'
            when w.units = 0 then 'zero units'
            else ''
        end as reason_if_null,
    from asked as a
    left join costs as c using (usage_date, workload_id, chip)
    left join (
        select *
        from int_work_unit_chips
        where usage_date >= $start_at and usage_date < $end_at
    ) as w using (usage_date, workload_id, chip, unit)
),

-- in 1e-10 USD, rounded half away from 0: a quotient of DECIMALs would become a DOUBLE
priced as (
    select
        *,
        cast(effective_cost_usd * 10000000000 as hugeint) as cost_units,
        case when reason_if_null = '' then cast(units as hugeint) end as divisor,
    from beside
)

select
    usage_date,
    workload_id,
    chip,
    unit,
    units,
    cast(effective_cost_usd as decimal(38, 10)) as effective_cost_usd,
    cast(billed_cost_usd as decimal(38, 10)) as billed_cost_usd,
    device_hours,
    cast(
        cast(sign(cost_units) * ((abs(cost_units) * 2000000 + divisor) // (divisor * 2)) as decimal(38, 0)) * 0.0000000001
        as decimal(38, 10)
    ) as cost_per_million_units_usd,
    cast(cast(sign(cost_units) * ((abs(cost_units) * 2000 + divisor) // (divisor * 2)) as decimal(38, 0)) * 0.0000000001 as decimal(38, 10))
        as cost_per_thousand_units_usd,
    cast(cast(sign(cost_units) * ((abs(cost_units) * 2 + divisor) // (divisor * 2)) as decimal(38, 0)) * 0.0000000001 as decimal(38, 10))
        as cost_per_unit_usd,
    cost_status,
    division,
    counted_ratio,
    reason_if_null,
from priced
