-- mart_fragmentation_daily: free MIG slices and NeuronCores that nothing in use is small enough for, per UTC day and instance, and what they cost.
-- grain:  usage_date, instance_id, part_kind
-- column: usage_date | UTC day
-- column: instance_id | EC2 instance
-- column: part_kind | mig_slice (compute slices of GPUs under MIG) or neuron_core (logical NeuronCores, LNC applied)
-- column: instance_type | EC2 instance type, '' where unknown
-- column: chip | chip
-- column: cluster | cluster, '-' where unknown: such an instance is a place of its own
-- column: device_parts | slices or cores of one device
-- column: layouts | how its GPUs were cut, as compute slices of each MIG instance; '' for NeuronCores
-- column: wanted_parts | slices or cores of the smallest replica that held a part of such a chip in the cluster on that day; NULL where none did
-- column: part_hours | slice-hours or core-hours that were observed and could be judged
-- column: unjudged_part_hours | those of hours in which MIG was cut anew, or cores changed hands
-- column: free_part_hours | the part of part_hours that nobody held
-- column: unallocatable_part_hours_low | the part of it in which wanted_parts could not be placed, if instances lie and cores are left as well as can be; NULL where nothing was wanted
-- column: unallocatable_part_hours_high | the same, as badly as can be: exporters do not tell where a MIG instance lies, and cores of a replica are contiguous
-- column: free_cost_usd | free_part_hours at the rate of the device: effective USD of its instance in that hour over its device time. A part of what stands as idle, never added to it; NULL where an hour has no money
-- column: unallocatable_cost_usd_low | the low part of it; NULL where nothing was wanted
-- column: unallocatable_cost_usd_high | the high part
-- column: reason_if_null | why nothing is said, '' where something is
-- check:  fail | part_kind in ('mig_slice', 'neuron_core') | no other part of a device can be held
-- check:  fail | unallocatable_part_hours_low is null or unallocatable_part_hours_low between 0 and unallocatable_part_hours_high | the best arrangement leaves no more than the worst
-- check:  fail | unallocatable_part_hours_high is null or unallocatable_part_hours_high <= free_part_hours | only what is free cannot be allocated
-- check:  fail | (unallocatable_cost_usd_low is null) = (reason_if_null <> '') | a missing figure says why
-- window: usage_date

with hours as (
    select *
    from int_part_hours
    where usage_date >= cast($start_at as date) and usage_date < cast($end_at as date)
),

money as (
    select
        usage_hour_at,
        instance_id,
        sum(cast(effective_cost_usd * 10000000000 as hugeint)) as cost_units,
    from fct_cost_allocated_hourly
    where
        usage_date >= cast($start_at as date)
        and usage_date < cast($end_at as date)
        and instance_id in (select h.instance_id from hours as h)
        and cost_class in ('workload', 'idle.unallocated', 'unattributed')
    group by usage_hour_at, instance_id
),

capacity as (
    select
        usage_hour_at,
        instance_id,
        cast(capacity_ns as hugeint) as capacity_ns,
    from int_instance_hours
    where usage_hour_at >= $start_at and usage_hour_at < $end_at and capacity_ns > 0
),

-- units of 1e-10 USD, rounded down: money of the instance times part of its device time
priced as (
    select
        h.*,
        m.cost_units * cast(h.free_part_ms as hugeint) * 1000000 // (h.device_parts * c.capacity_ns) as free_units,
        m.cost_units * cast(h.low_part_ms as hugeint) * 1000000 // (h.device_parts * c.capacity_ns) as low_units,
        m.cost_units * cast(h.high_part_ms as hugeint) * 1000000 // (h.device_parts * c.capacity_ns) as high_units,
        m.cost_units is not null and c.capacity_ns is not null as is_priced,
    from hours as h
    left join money as m using (usage_hour_at, instance_id)
    left join capacity as c using (usage_hour_at, instance_id)
),

days as (
    select
        usage_date,
        instance_id,
        part_kind,
        max(device_parts) as device_parts,
        max(wanted_parts) as wanted_parts,
        array_to_string(
            list_sort(list_distinct(flatten(list(string_split(layouts, ', ')) filter (where layouts <> '')))), ', '
        ) as layouts,
        sum(observed_part_ms) as observed_part_ms,
        sum(part_ms) as part_ms,
        sum(free_part_ms) as free_part_ms,
        sum(low_part_ms) as low_part_ms,
        sum(high_part_ms) as high_part_ms,
        bool_and(is_priced or part_ms = 0) as is_priced,
        sum(free_units) as free_units,
        sum(low_units) as low_units,
        sum(high_units) as high_units,
    from priced
    group by usage_date, instance_id, part_kind
),

places as (
    select
        instance_id,
        max(instance_type) as instance_type,
        max(chip) as chip,
        max(cluster) as cluster,
    from int_accelerators
    group by instance_id
),

reasoned as (
    select
        d.* replace (case when d.is_priced then d.free_units end as free_units),
        case
            when d.wanted_parts is null then 'nobody held a part of such a device in the cluster on this day'
            when d.part_ms = 0 then 'cut anew or changed hands in every hour'
            when not d.is_priced then 'no money for an hour of it: neither bill nor price covers it'
            else ''
        end as reason_if_null,
    from days as d
)

select
    d.usage_date,
    d.instance_id,
    d.part_kind,
    p.instance_type,
    p.chip,
    p.cluster,
    d.device_parts,
    coalesce(d.layouts, '') as layouts,
    d.wanted_parts,
    cast(cast(d.part_ms as decimal(28, 0)) * 0.001 / 3600 as decimal(18, 6)) as part_hours,
    cast(cast(d.observed_part_ms - d.part_ms as decimal(28, 0)) * 0.001 / 3600 as decimal(18, 6))
        as unjudged_part_hours,
    cast(cast(d.free_part_ms as decimal(28, 0)) * 0.001 / 3600 as decimal(18, 6)) as free_part_hours,
    cast(cast(d.low_part_ms as decimal(28, 0)) * 0.001 / 3600 as decimal(18, 6)) as unallocatable_part_hours_low,
    cast(cast(d.high_part_ms as decimal(28, 0)) * 0.001 / 3600 as decimal(18, 6)) as unallocatable_part_hours_high,
    cast(cast(d.free_units as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) as free_cost_usd,
    case when d.reason_if_null = '' then cast(cast(d.low_units as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) end
        as unallocatable_cost_usd_low,
    case when d.reason_if_null = '' then cast(cast(d.high_units as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) end
        as unallocatable_cost_usd_high,
    d.reason_if_null,
from reasoned as d
join places as p using (instance_id)
