-- int_work_unit_chip_hours: the work of each workload per UTC hour and chip that did it.
-- grain:  usage_hour_at, workload_id, chip, unit
-- column: usage_hour_at | UTC hour
-- column: usage_date | UTC day
-- column: workload_id | workload
-- column: chip | chip that did the work; other where the workload held none that day
-- column: unit | prompt_tokens, output_tokens, steps, …
-- column: units | how many; the chips of a workload sum to its work exactly
-- column: software | what did them, '' where not told, several where more than one did
-- column: latency_units | the part of units whose latency is told
-- column: latency_p95_ms_low | lowest 95th percentile of latency told; NULL where none is
-- column: latency_p95_ms_high | highest
-- column: division | how the work came to its chip: instance, held_time (of the hour, else of its day), or both as 'held_time,instance'; none without a chip
-- check:  fail | units >= 0 | work is not undone
-- check:  fail | latency_units between 0 and units | a part is not more than the whole
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
        u.software,
        u.latency_units,
        u.latency_p95_ms_low,
        u.latency_p95_ms_high,
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
        case when min(k.software) = max(k.software) then min(k.software) else 'several' end as software,
        cast(sum(k.latency_units) as hugeint) as latency_units,
        min(k.latency_p95_ms_low) as latency_p95_ms_low,
        max(k.latency_p95_ms_high) as latency_p95_ms_high,
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
        p.software,
        p.latency_units,
        p.latency_p95_ms_low,
        p.latency_p95_ms_high,
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
        software,
        latency_units,
        latency_p95_ms_low,
        latency_p95_ms_high,
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
        software,
        latency_units * until_ns // every_ns - latency_units * (until_ns - held_ns) // every_ns as latency_units,
        latency_p95_ms_low,
        latency_p95_ms_high,
        case when is_held then 'held_time' else 'none' end as division,
    from shares
)

select
    usage_hour_at,
    cast(usage_hour_at as date) as usage_date,
    workload_id,
    chip,
    unit,
    cast(sum(units) as bigint) as units,
    case when min(software) = max(software) then min(software) else 'several' end as software,
    cast(sum(latency_units) as bigint) as latency_units,
    min(latency_p95_ms_low) as latency_p95_ms_low,
    max(latency_p95_ms_high) as latency_p95_ms_high,
    string_agg(distinct division, ',' order by division) as division,
from divided
group by usage_hour_at, workload_id, chip, unit
