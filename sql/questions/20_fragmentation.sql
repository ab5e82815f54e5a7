-- fragmentation: what do free MIG slices and NeuronCores cost that nothing in use is small enough for?
-- column: part_kind | mig_slice: compute slices of GPUs under MIG; neuron_core: logical NeuronCores, LNC applied
-- column: device_parts | slices or cores of one device
-- column: layouts | how the GPUs were cut, as compute slices of each MIG instance; '' for NeuronCores
-- column: wanted_parts | slices or cores of the smallest replica that held a part of such a chip in the cluster that day, the smallest of all days; NULL where none did
-- column: part_hours | slice-hours or core-hours that could be judged
-- column: free_part_hours | those that nobody held
-- column: unallocatable_part_hours_low | of these, what the smallest replica of the day could not have been placed in, if all lies as well as can be
-- column: unallocatable_part_hours_high | the same if all lies as badly as can be
-- column: free_cost_usd | free_part_hours at the hourly rate of their own device, effective USD
-- column: unallocatable_cost_usd_low | the low part of it; NULL with reason_if_null
-- column: unallocatable_cost_usd_high | the high part
-- column: reason_if_null | why days have no figure, '' where none is missing
-- limit:  a part of what question 4 shows as idle, never added to it. Low and high, since exporters do not tell where on a GPU a MIG instance lies
-- limit:  a free MIG instance counts as unallocatable where every replica of the day held a larger one. Cutting anew needs an empty GPU and is not tried
-- limit:  hours in which MIG was cut anew or cores changed hands are left out; what is wanted but was never placed is not seen
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
select
    cluster,
    instance_type,
    chip,
    part_kind,
    max(device_parts) as device_parts,
    string_agg(distinct nullif(layouts, ''), ', ' order by nullif(layouts, '')) as layouts,
    min(wanted_parts) as wanted_parts,
    count(distinct instance_id) as instances,
    sum(part_hours) as part_hours,
    sum(free_part_hours) as free_part_hours,
    sum(unallocatable_part_hours_low) filter (where reason_if_null = '') as unallocatable_part_hours_low,
    sum(unallocatable_part_hours_high) filter (where reason_if_null = '') as unallocatable_part_hours_high,
    sum(free_cost_usd) as free_cost_usd,
    sum(unallocatable_cost_usd_low) as unallocatable_cost_usd_low,
    sum(unallocatable_cost_usd_high) as unallocatable_cost_usd_high,
    coalesce(
        string_agg(distinct nullif(reason_if_null, ''), '; ' order by nullif(reason_if_null, '')), ''
    ) as reason_if_null,
from mart_fragmentation_daily
where usage_date >= cast($from_date as date) and usage_date < cast($to_date as date)
group by cluster, instance_type, chip, part_kind
order by unallocatable_cost_usd_high desc nulls last, cluster, instance_type, chip, part_kind
