-- int_neuron_core_owners: who owned each NeuronCore at each report, with equal shares of the core.
-- grain:  instance_id, sample_at, core_index, owner_id
-- column: instance_id | EC2 instance id
-- column: sample_at | end of the interval that the report covers
-- column: device_index | Neuron device of the core
-- column: core_index | logical core, numbered over the whole instance
-- column: owner_id | owner: kind and its parts, separated by the unit separator; '' for a runtime without identity
-- column: share_units | share of the device in 1/720720ths
-- column: busy_ppm_units | busy ppm of the core times share_units
-- check:  fail | share_units between 0 and 720720 | a share is a part of one device
-- window: sample_at

with reports as (
    select
        delivery_id,
        report_number,
        instance_id,
        sample_at,
        cores_per_device,
    from stg_neuron_reports
    where sample_at >= $start_at and sample_at < $end_at
),

pods as (
    select
        r.instance_id,
        r.sample_at,
        cores.core_index,
        concat_ws(chr(31), 'pod', p.namespace, p.pod_name, p.container_name) as owner_id,
    from stg_neuron_pods as p
    join reports as r using (delivery_id, report_number)
    join lateral (
        select unnest(
            case
                when p.core_index >= 0 then [p.core_index]
                else range(p.device_index * r.cores_per_device, (p.device_index + 1) * r.cores_per_device)
            end
        ) as core_index
    ) as cores on true
    where p.sample_at >= $start_at and p.sample_at < $end_at
),

cores as (
    select
        r.instance_id,
        r.sample_at,
        c.core_index,
        c.busy_ppm,
        c.runtime_tags,
        c.has_unknown_runtime,
    from stg_neuron_cores as c
    join reports as r using (delivery_id, report_number)
    where c.sample_at >= $start_at and c.sample_at < $end_at
),

runtimes as (
    select
        instance_id,
        sample_at,
        core_index,
        unnest(
            case
                when len(runtime_tags) > 0 then list_transform(runtime_tags, lambda tag: 'tag' || chr(31) || tag)
                else ['']
            end
        ) as owner_id,
    from cores
    where (len(runtime_tags) > 0 or has_unknown_runtime)
),

owners as (
    select distinct
        instance_id,
        sample_at,
        core_index,
        owner_id,
    from pods
    union all
    -- a pod's name goes before the tag of the runtime inside it
    select runtimes.*
    from runtimes
    anti join pods using (instance_id, sample_at, core_index)
),

shares as (
    select
        owners.*,
        r.cores_per_device,
        720720 // r.cores_per_device as core_units,
        count(*) over (partition by owners.instance_id, owners.sample_at, owners.core_index) as owner_count,
        row_number() over (
            partition by owners.instance_id, owners.sample_at, owners.core_index
            order by owners.owner_id
        ) as owner_number,
    from owners
    join reports as r using (instance_id, sample_at)
),

units as (
    select
        *,
        -- largest remainder: the first owners take what does not divide
        core_units // owner_count + case when owner_number <= core_units % owner_count then 1 else 0 end
            as share_units,
    from shares
)

select
    instance_id,
    sample_at,
    core_index // cores_per_device as device_index,
    core_index,
    owner_id,
    share_units,
    coalesce(cores.busy_ppm, 0) * share_units as busy_ppm_units,
from units
left join cores using (instance_id, sample_at, core_index)
