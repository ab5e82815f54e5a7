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

with work as (
    select
        u.usage_hour_at,
        w.workload_id,
        u.unit,
        -- a pod runs on one instance; a job over several is placed on one of them where nobody told which
        case
            when
                u.owner_id like 'pod' || chr(31) || '%'
                or count(*) over (partition by u.usage_hour_at, u.owner_id, u.unit) > 1
                then u.instance_id
            else ''
        end as instance_id,
        u.units,
    from int_work_unit_hours as u
    join int_owner_workloads as w using (usage_hour_at, instance_id, owner_id)
    where
        u.usage_hour_at >= $start_at
        and u.usage_hour_at < $end_at
        and w.usage_hour_at >= $start_at
        and w.usage_hour_at < $end_at
),

weights as (
    select *
    from int_hour_weights
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

instances as (
    select
        usage_hour_at,
        instance_id,
        min(chip) as chip,
    from weights
    where instance_id <> ''
    group by usage_hour_at, instance_id
),

placed as (
    select
        k.usage_hour_at,
        k.workload_id,
        k.unit,
        i.chip,
        cast(sum(k.units) as hugeint) as units,
    from work as k
    left join instances as i using (usage_hour_at, instance_id)
    group by k.usage_hour_at, k.workload_id, k.unit, i.chip
),

-- device time of the hour, and of the day for work of hours in which nothing was held
held as (
    select
        usage_hour_at,
        workload_id,
        chip,
        sum(cast(weight_ns as hugeint)) as held_ns,
    from weights
    where cost_class = 'workload'
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

loose as (
    select
        p.usage_hour_at,
        p.workload_id,
        p.unit,
        p.units,
        coalesce(h.chip, d.chip, 'other') as chip,
        -- hours and days are not mixed: an hour with device time divides by it
        coalesce(h.held_ns, d.held_ns, 1) as held_ns,
        h.chip is not null or d.chip is not null as is_held,
    from placed as p
    left join held as h using (usage_hour_at, workload_id)
    left join day_held as d
        on h.chip is null and p.workload_id = d.workload_id and cast(p.usage_hour_at as date) = d.usage_date
    where p.chip is null
),

shares as (
    select
        *,
        sum(held_ns) over (partition by usage_hour_at, workload_id, unit) as every_ns,
        sum(held_ns) over (partition by usage_hour_at, workload_id, unit order by chip) as until_ns,
    from loose
),

divided as (
    select
        usage_hour_at,
        workload_id,
        unit,
        chip,
        units,
        'instance' as division,
    from placed
    where chip is not null
    union all
    select
        usage_hour_at,
        workload_id,
        unit,
        chip,
        -- what is done until a chip is rounded down: the chips sum to the work exactly
        units * until_ns // every_ns - units * (until_ns - held_ns) // every_ns as units,
        case when is_held then 'held_time' else 'none' end as division,
    from shares
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
        from placed
    ) as w using (usage_hour_at, workload_id)
    group by cast(h.usage_hour_at as date), h.workload_id, h.chip, w.unit
),

days as (
    select
        cast(usage_hour_at as date) as usage_date,
        workload_id,
        chip,
        unit,
        sum(units) as units,
        string_agg(distinct division, ',' order by division) as division,
    from divided
    group by cast(usage_hour_at as date), workload_id, chip, unit
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
