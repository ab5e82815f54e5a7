-- int_work_unit_hours: the work of each owner per UTC hour, on the instance where it holds accelerators.
-- grain:  usage_hour_at, instance_id, owner_id, unit
-- column: usage_hour_at | UTC hour
-- column: instance_id | EC2 instance: as told, else where the owner holds an accelerator in that hour, else ''
-- column: owner_id | owner: kind and its parts, separated by the unit separator
-- column: unit | prompt_tokens, output_tokens, requests, steps, checkpoints, epochs or runs
-- column: units | how many; a stretch over several hours is spread over them by time, in whole units
-- column: software | what did them, '' where not told, several where more than one did
-- column: latency_units | the part of units whose latency is told
-- column: latency_p95_ms_low | lowest 95th percentile told of them: the one of all lies between the two; NULL where none is told
-- column: latency_p95_ms_high | highest
-- check:  fail | units >= 0 | work is not undone
-- window: usage_hour_at

with records as (
    select *
    from stg_work_units
    where
        start_at >= $start_at - interval 31 days
        and start_at < $end_at
        and end_at > $start_at
),

hours as (
    select
        *,
        unnest(
            generate_series(
                date_trunc('hour', start_at), date_trunc('hour', end_at - interval 1 microsecond), interval 1 hour
            )
        ) as usage_hour_at,
    from records
),

parts as (
    select
        usage_hour_at,
        owner_id,
        owner_key,
        cluster,
        instance_id,
        unit,
        cast(units as hugeint) as units,
        software,
        latency_p95_ms,
        epoch_us(end_at) - epoch_us(start_at) as length_us,
        epoch_us(greatest(start_at, usage_hour_at)) - epoch_us(start_at) as from_us,
        epoch_us(least(end_at, usage_hour_at + interval 1 hour)) - epoch_us(start_at) as until_us,
    from hours
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

-- what is done until an instant is rounded down: the hours of a stretch sum to it exactly
counted as (
    select
        *,
        units * until_us // length_us - units * from_us // length_us as hour_units,
    from parts
),

holders as (
    select distinct
        h.usage_hour_at,
        h.instance_id,
        case split_part(h.owner_id, chr(31), 1)
            when 'pod'
                then concat_ws(chr(31), 'pod', split_part(h.owner_id, chr(31), 2), split_part(h.owner_id, chr(31), 3))
            else concat_ws(chr(31), split_part(h.owner_id, chr(31), 1), split_part(h.owner_id, chr(31), 2))
        end as owner_key,
        coalesce(i.cluster, '-') as cluster,
    from int_holdings as h
    left join int_instances as i using (instance_id)
    where h.usage_hour_at >= $start_at and h.usage_hour_at < $end_at
),

-- one name in two clusters is two owners, and nobody can tell which of them worked
placed as (
    select
        p.usage_hour_at,
        p.owner_key,
        p.cluster,
        case when count(distinct h.cluster) = 1 then min(h.instance_id) else '' end as instance_id,
    from (
        select distinct
            usage_hour_at,
            owner_key,
            cluster,
        from parts
        where instance_id = ''
    ) as p
    join holders as h
        on
            p.usage_hour_at = h.usage_hour_at
            and p.owner_key = h.owner_key
            and (p.cluster = '' or h.cluster in (p.cluster, '-'))
    group by p.usage_hour_at, p.owner_key, p.cluster
)

select
    p.usage_hour_at,
    coalesce(nullif(p.instance_id, ''), l.instance_id, '') as instance_id,
    p.owner_id,
    p.unit,
    cast(sum(p.hour_units) as bigint) as units,
    case when min(p.software) = max(p.software) then min(p.software) else 'several' end as software,
    cast(coalesce(sum(p.hour_units) filter (where p.latency_p95_ms is not null), 0) as bigint) as latency_units,
    min(p.latency_p95_ms) as latency_p95_ms_low,
    max(p.latency_p95_ms) as latency_p95_ms_high,
from counted as p
left join placed as l
    on p.usage_hour_at = l.usage_hour_at and p.owner_key = l.owner_key and p.cluster = l.cluster
group by p.usage_hour_at, coalesce(nullif(p.instance_id, ''), l.instance_id, ''), p.owner_id, p.unit
