-- stg_neuron_cores: how busy each logical NeuronCore was, runtimes folded into their core first.
-- grain:  delivery_id, report_number, core_index
-- column: delivery_id | delivery of the report
-- column: report_number | report within the delivery
-- column: core_index | logical core, numbered over the whole instance
-- column: sample_at | end of the interval that the report covers
-- column: busy_ppm | parts per million of the period that the core executed: the maximum over its runtimes, since every runtime reports every core it can see; NULL where no runtime could tell
-- column: memory_used_bytes | device memory held through this core, summed over runtimes
-- column: runtime_tags | identities of the runtimes that own the core (those with memory, models or work on it), sorted; a tag that only repeats the process id is no identity
-- column: has_unknown_runtime | a runtime without identity owns the core
-- column: is_scale_suspect | a value above 100.5 percent was seen
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a core cannot work more than all of the time
-- window: sample_at

with runtimes as not materialized (
    select
        c.delivery_id,
        c.report_number,
        c.core_index,
        c.sample_at,
        -- a negative share is no share
        case when c.utilization_percent >= 0 then c.utilization_percent end as utilization_percent,
        coalesce(c.utilization_percent < 0, false) as is_negative,
        c.memory_used_bytes,
        coalesce(c.memory_used_bytes, 0) > 0
        or coalesce(c.utilization_percent, 0) > 0
        or coalesce(c.loaded_model_count, 0) > 0 as owns_core,
        case when c.runtime_tag = cast(c.pid as varchar) then '' else c.runtime_tag end as runtime_tag,
    from raw_neuron_cores as c
    where c.sample_at >= $start_at and c.sample_at < $end_at
),

-- most cores are named by one runtime: the others alone are grouped
repeated as (
    select hash(delivery_id, report_number, core_index) as place_hash
    from raw_neuron_cores
    where sample_at >= $start_at and sample_at < $end_at
    group by place_hash
    having count(*) > 1
),

cores as (
    select
        delivery_id,
        report_number,
        core_index,
        sample_at,
        utilization_percent,
        is_negative,
        memory_used_bytes,
        case when owns_core and runtime_tag <> '' then [runtime_tag] else [] end as runtime_tags,
        owns_core and runtime_tag = '' as has_unknown_runtime,
    from runtimes
    anti join repeated on hash(runtimes.delivery_id, runtimes.report_number, runtimes.core_index) = repeated.place_hash
    union all
    select
        delivery_id,
        report_number,
        core_index,
        sample_at,
        max(utilization_percent) as utilization_percent,
        bool_or(is_negative) as is_negative,
        sum(memory_used_bytes) as memory_used_bytes,
        list_sort(list_distinct(coalesce(list(runtime_tag) filter (where owns_core and runtime_tag <> ''), [])))
            as runtime_tags,
        bool_or(owns_core and runtime_tag = '') as has_unknown_runtime,
    from runtimes
    semi join repeated on hash(runtimes.delivery_id, runtimes.report_number, runtimes.core_index) = repeated.place_hash
    group by delivery_id, report_number, core_index, sample_at
)

select
    delivery_id,
    report_number,
    core_index,
    sample_at,
    -- not least(): it would turn an unknown percentage into a full one
    cast(round(case when utilization_percent > 100 then 100 else utilization_percent end * 10000) as bigint)
        as busy_ppm,
    cast(coalesce(memory_used_bytes, 0) as bigint) as memory_used_bytes,
    runtime_tags,
    has_unknown_runtime,
    is_negative or coalesce(utilization_percent > 100.5, false) as is_scale_suspect,
from cores
