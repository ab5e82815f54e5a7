-- int_part_hours: how many slices of GPUs under MIG and NeuronCores were free in each UTC hour, and how many of them nothing in use could be placed in.
-- grain:  usage_hour_at, instance_id, part_kind
-- column: usage_hour_at | UTC hour
-- column: usage_date | UTC day
-- column: instance_id | EC2 instance
-- column: part_kind | mig_slice (compute slices of GPUs under MIG) or neuron_core (logical NeuronCores, LNC applied)
-- column: device_parts | slices or cores of one device
-- column: layouts | how its GPUs were cut, as compute slices of each MIG instance; '' for NeuronCores
-- column: wanted_parts | slices or cores of the smallest owner that held a part of such a chip in the cluster on that day; NULL where none did
-- column: observed_part_ms | slice- or core-milliseconds observed
-- column: part_ms | those of devices that can be judged: not cut anew, no core changed hands
-- column: free_part_ms | the part of part_ms that nobody held
-- column: low_part_ms | the part of it in which wanted_parts could not be placed, if instances lie and cores are left as well as can be; NULL where nothing was wanted
-- column: high_part_ms | the same, as badly as can be
-- check:  fail | part_ms between 0 and observed_part_ms | what is judged was observed
-- check:  fail | low_part_ms is null or low_part_ms between 0 and high_part_ms | the best arrangement leaves no more than the worst
-- check:  fail | high_part_ms is null or high_part_ms <= free_part_ms | only what is free cannot be allocated
-- window: usage_date

with divisible as (
    select
        accelerator_id,
        instance_id,
        chip,
        cluster,
    from int_accelerators
    where instance_id <> '' and (device_slice_count > 1 or logical_core_count > 1)
),

holdings as (
    select
        h.usage_hour_at,
        h.accelerator_id,
        h.instance_id,
        -- the containers of a pod are placed together
        case split_part(h.owner_id, chr(31), 1)
            when 'pod' then concat_ws(chr(31), split_part(h.owner_id, chr(31), 2), split_part(h.owner_id, chr(31), 3))
            else h.owner_id
        end as replica,
        cast(h.held_ns as hugeint) as held_ns,
    from int_holdings as h
    semi join divisible using (accelerator_id, instance_id)
    where h.usage_hour_at >= $start_at and h.usage_hour_at < $end_at
),

known as (
    select
        usage_hour_at,
        accelerator_id,
        instance_id,
        sum(held_ns) as held_ns,
    from holdings
    group by usage_hour_at, accelerator_id, instance_id
),

parts as (
    select
        h.usage_hour_at,
        cast(h.usage_hour_at as date) as usage_date,
        h.accelerator_id,
        h.instance_id,
        h.device_id,
        a.chip,
        case a.cluster when '-' then h.instance_id else a.cluster end as place,
        case when h.device_slice_count > 1 then 'mig_slice' else 'neuron_core' end as part_kind,
        case when h.device_slice_count > 1 then h.device_slice_count else h.logical_core_count end as device_parts,
        case when h.device_slice_count > 1 then h.slice_count else h.logical_core_count end as parts,
        cast(h.observed_ms as hugeint) as observed_ms,
        cast(h.device_observed_ms as hugeint) as device_observed_ms,
        least((coalesce(k.held_ns, 0) + h.unknown_ns) // 1000000, h.observed_ms) as allocated_ms,
    from int_accelerator_hours as h
    join divisible as a using (accelerator_id, instance_id)
    left join known as k using (usage_hour_at, accelerator_id, instance_id)
    where
        h.usage_hour_at >= $start_at
        and h.usage_hour_at < $end_at
        and (h.device_slice_count > 1 or h.logical_core_count > 1)
),

held as (
    select
        p.usage_hour_at,
        p.usage_date,
        p.chip,
        p.place,
        p.instance_id,
        p.part_kind,
        h.replica,
        case p.part_kind
            when 'mig_slice' then min(p.parts)
            -- two that share a core need one each
            else ceil(sum(cast(h.held_ns * p.parts as double) / p.observed_ms / 1000000) - 0.02)
        end as parts,
    from holdings as h
    join parts as p using (usage_hour_at, accelerator_id, instance_id)
    where h.held_ns > 0
    group by p.usage_hour_at, p.usage_date, p.chip, p.place, p.instance_id, p.part_kind, h.replica
),

-- a replica that came within an hour held fewer cores on average than it needs: its fullest hour of the day speaks
replicas as (
    select
        usage_date,
        chip,
        place,
        part_kind,
        case part_kind when 'mig_slice' then min(parts) else max(parts) end as parts,
    from held
    group by usage_date, chip, place, part_kind, instance_id, replica
),

wanted as (
    select
        usage_date,
        chip,
        place,
        part_kind,
        cast(greatest(min(parts), 1) as integer) as wanted_parts,
    from replicas
    group by usage_date, chip, place, part_kind
),

devices as (
    select
        p.usage_hour_at,
        p.usage_date,
        p.instance_id,
        p.device_id,
        p.part_kind,
        max(p.device_parts) as device_parts,
        max(p.device_observed_ms) as observed_ms,
        case p.part_kind when 'mig_slice' then string_agg(p.parts, '+' order by p.parts desc) else '' end as layout,
        max(p.device_parts) - sum(p.parts) as uncut_parts,
        sum((p.observed_ms - p.allocated_ms) * p.parts) as free_part_ms,
        -- instances that are smaller than what anybody asks for
        sum(
            case
                when p.part_kind = 'mig_slice' and p.parts < w.wanted_parts
                    then (p.observed_ms - p.allocated_ms) * p.parts
                else 0
            end
        ) as small_part_ms,
        max(w.wanted_parts) as wanted_parts,
        bool_and(
            case p.part_kind
                when 'mig_slice' then p.observed_ms >= p.device_observed_ms - 60000
                -- whole cores, to two hundredths: nobody came or went
                else abs(
                    cast(p.allocated_ms * p.parts as double) / p.observed_ms
                    - round(cast(p.allocated_ms * p.parts as double) / p.observed_ms)
                ) <= 0.02
            end
        ) and sum(p.parts) <= max(p.device_parts) as is_judged,
    from parts as p
    left join wanted as w using (usage_date, chip, place, part_kind)
    group by p.usage_hour_at, p.usage_date, p.instance_id, p.device_id, p.part_kind
),

cut as (
    select
        d.usage_hour_at,
        d.instance_id,
        d.part_kind,
        max(d.device_parts) as device_parts,
        string_agg(distinct d.layout, ', ' order by d.layout) as layouts,
        max(d.wanted_parts) as wanted_parts,
        sum(d.device_parts * d.observed_ms) as part_ms,
        sum(d.free_part_ms + d.uncut_parts * d.observed_ms) as free_part_ms,
        sum(
            d.small_part_ms
            + case
                when d.wanted_parts is not null
                    then greatest(d.uncut_parts - coalesce(l.fit_count_high, 0) * d.wanted_parts, 0) * d.observed_ms
            end
        ) as low_part_ms,
        sum(
            d.small_part_ms
            + case
                when d.wanted_parts is not null
                    then greatest(d.uncut_parts - coalesce(l.fit_count_low, 0) * d.wanted_parts, 0) * d.observed_ms
            end
        ) as high_part_ms,
    from devices as d
    left join seed_mig_layouts as l
        on
            d.device_parts = l.device_slice_count
            and d.layout = l.layout
            and d.wanted_parts = l.wanted_slice_count
    where d.is_judged and d.part_kind = 'mig_slice'
    group by d.usage_hour_at, d.instance_id, d.part_kind
),

-- whole cores that were free, of the hours in which no device changed hands
free_cores as (
    select
        *,
        round(cast(free_part_ms as double) / observed_ms) as free_parts,
        bool_and(is_judged) over instance_hour as is_instance_judged,
        min(observed_ms) over instance_hour as together_ms,
    from devices
    where part_kind = 'neuron_core'
    window instance_hour as (partition by usage_hour_at, instance_id)
),

cores as (
    select
        usage_hour_at,
        instance_id,
        part_kind,
        max(device_parts) as device_parts,
        max(wanted_parts) as wanted_parts,
        max(together_ms) as together_ms,
        sum(device_parts * together_ms) as part_ms,
        cast(sum(free_parts) as bigint) as free_parts,
        cast(coalesce(sum(free_parts) filter (where free_parts = device_parts), 0) as bigint) as whole_parts,
        cast(sum(free_parts % wanted_parts) as bigint) as odd_parts,
    from free_cores
    where is_instance_judged
    group by usage_hour_at, instance_id, part_kind
),

judged as (
    select * from cut
    union all by name
    select
        usage_hour_at,
        instance_id,
        part_kind,
        device_parts,
        '' as layouts,
        wanted_parts,
        part_ms,
        free_parts * together_ms as free_part_ms,
        free_parts % wanted_parts * together_ms as low_part_ms,
        case
            when wanted_parts < device_parts then odd_parts
            else free_parts - whole_parts // wanted_parts * wanted_parts
        end * together_ms as high_part_ms,
    from cores
),

observed as (
    select
        usage_hour_at,
        usage_date,
        instance_id,
        part_kind,
        max(device_parts) as device_parts,
        max(wanted_parts) as wanted_parts,
        sum(device_parts * observed_ms) as observed_part_ms,
    from devices
    group by usage_hour_at, usage_date, instance_id, part_kind
)

select
    o.usage_hour_at,
    o.usage_date,
    o.instance_id,
    o.part_kind,
    o.device_parts,
    coalesce(j.layouts, '') as layouts,
    o.wanted_parts,
    cast(o.observed_part_ms as bigint) as observed_part_ms,
    cast(coalesce(j.part_ms, 0) as bigint) as part_ms,
    cast(coalesce(j.free_part_ms, 0) as bigint) as free_part_ms,
    cast(j.low_part_ms as bigint) as low_part_ms,
    cast(j.high_part_ms as bigint) as high_part_ms,
from observed as o
left join judged as j using (usage_hour_at, instance_id, part_kind)
