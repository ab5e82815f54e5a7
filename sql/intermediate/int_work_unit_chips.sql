-- int_work_unit_chips: the work of each workload per UTC day and chip that did it.
-- grain:  usage_date, workload_id, chip, unit
-- column: usage_date | UTC day
-- column: workload_id | workload
-- column: chip | chip that did the work; other where the workload held none that day
-- column: unit | prompt_tokens, output_tokens, steps, …
-- column: units | how many; the chips of a workload sum to its work exactly
-- column: division | how the day's work came to its chip: instance, held_time, or both as 'held_time,instance'; none without a chip
-- column: counted_ratio | part of the device time held that day in hours in which this work was counted, on this chip; NULL where none was held
-- check:  fail | units >= 0 | work is not undone
-- check:  fail | query: select c.usage_date, c.workload_id, c.unit, c.units, u.units as counted_units
--     from (select usage_date, workload_id, unit, sum(units) as units from int_work_unit_chips where usage_date >= cast($start_at as date) and usage_date < cast($end_at as date) group by all) as c
--     full join (select cast(usage_hour_at as date) as usage_date, workload_id, unit, sum(units) as units from int_work_units_hourly where usage_hour_at >= $start_at and usage_hour_at < $end_at group by all) as u
--     using (usage_date, workload_id, unit) where c.units is distinct from u.units | dividing work over chips loses none
-- window: usage_date

with hours as (
    select *
    from int_work_unit_chip_hours
    where usage_date >= cast($start_at as date) and usage_date < cast($end_at as date)
),

held as (
    select
        usage_hour_at,
        workload_id,
        chip,
        sum(cast(weight_ns as hugeint)) as held_ns,
    from int_hour_weights
    where cost_class = 'workload' and usage_hour_at >= $start_at and usage_hour_at < $end_at
    group by usage_hour_at, workload_id, chip
),

day_held as (
    select
        cast(usage_hour_at as date) as usage_date,
        workload_id,
        chip,
        sum(held_ns) as held_ns,
    from held
    group by cast(usage_hour_at as date), workload_id, chip
),

counted as (
    select
        cast(h.usage_hour_at as date) as usage_date,
        h.workload_id,
        h.chip,
        w.unit,
        sum(h.held_ns) as held_ns,
    from held as h
    join (
        select distinct
            usage_hour_at,
            workload_id,
            unit,
        from hours
    ) as w using (usage_hour_at, workload_id)
    group by cast(h.usage_hour_at as date), h.workload_id, h.chip, w.unit
),

days as (
    select
        usage_date,
        workload_id,
        chip,
        unit,
        sum(units) as units,
        -- an hour may have both ways
        array_to_string(list_sort(list_distinct(flatten(list(string_split(division, ','))))), ',') as division,
    from hours
    group by usage_date, workload_id, chip, unit
)

select
    d.usage_date,
    d.workload_id,
    d.chip,
    d.unit,
    cast(d.units as bigint) as units,
    d.division,
    cast(coalesce(cast(c.held_ns as double), 0) / cast(h.held_ns as double) as decimal(9, 6)) as counted_ratio,
from days as d
left join day_held as h using (usage_date, workload_id, chip)
left join counted as c using (usage_date, workload_id, chip, unit)
