-- int_neuron_core_owners: who owned each NeuronCore at each report, with equal shares of the core.
-- grain:  instance_id, sample_at, core_index, owner_id
-- column: instance_id | EC2 instance id
-- column: sample_at | end of the interval that the report covers
-- column: device_index | Neuron device of the core
-- column: core_index | logical core, numbered over the whole instance
-- column: owner_id | owner: kind and its parts, separated by the unit separator; '' for a runtime without identity
-- column: share_units | share of the device in 1/720720ths
-- column: busy_ppm_units | busy ppm of the core times share_units; NULL where its counters failed
-- check:  fail | share_units between 0 and 720720 | a share is a part of one device
-- window: sample_at

with reports as materialized (
    select
        delivery_id,
        report_number,
        instance_id,
        sample_at,
        cores_per_device,
        has_counter_errors,
        -- one number for the instance and the instant: what follows compares it millions of times
        cast(row_number() over () as integer) as report_key,
    from stg_neuron_reports
    where sample_at >= $start_at and sample_at < $end_at
),

pod_names as materialized (
    select
        *,
        concat_ws(chr(31), 'pod', namespace, pod_name, container_name) as owner_id,
        concat_ws(chr(31), namespace, pod_name) as sharer,
        cast(row_number() over () as integer) as pod_key,
    from (
        select distinct
            namespace,
            pod_name,
            container_name,
        from stg_neuron_pods
        where sample_at >= $start_at and sample_at < $end_at
    )
),

pods as (
    select
        r.report_key,
        unnest(
            case
                when p.core_index >= 0 then [p.core_index]
                else range(p.device_index * r.cores_per_device, (p.device_index + 1) * r.cores_per_device)
            end
        ) as core_index,
        n.pod_key,
    from stg_neuron_pods as p
    join reports as r using (delivery_id, report_number)
    join pod_names as n using (namespace, pod_name, container_name)
    where p.sample_at >= $start_at and p.sample_at < $end_at
),

pod_cores as (
    select
        report_key,
        core_index,
        min(pod_key) as first_pod_key,
        max(pod_key) as last_pod_key,
    from pods
    group by report_key, core_index
),

cores as (
    select
        r.report_key,
        c.core_index,
        c.busy_ppm,
        c.runtime_tags,
        c.has_unknown_runtime,
    from stg_neuron_cores as c
    join reports as r using (delivery_id, report_number)
    where c.sample_at >= $start_at and c.sample_at < $end_at
),

-- a pod's name goes before the tag of the runtime inside it
runtimes as (
    select
        report_key,
        core_index,
        case when len(runtime_tags) > 0 then runtime_tags else [''] end as tags,
    from cores
    anti join pod_cores using (report_key, core_index)
    where len(runtime_tags) > 0 or has_unknown_runtime
),

-- most cores have one owner; only the others need to be shared out
shared_owners as (
    select distinct
        c.report_key,
        c.core_index,
        n.owner_id,
        n.sharer,
    from pod_cores as c
    join pods using (report_key, core_index)
    join pod_names as n using (pod_key)
    where c.first_pod_key < c.last_pod_key
    union all
    select
        report_key,
        core_index,
        case when tag = '' then '' else 'tag' || chr(31) || tag end as owner_id,
        tag as sharer,
    from (
        select
            report_key,
            core_index,
            unnest(tags) as tag,
        from runtimes
        where len(tags) > 1
    )
),

-- pods and runtimes share a core equally, and the containers of a pod share what is its
sharers as (
    select
        report_key,
        core_index,
        sharer,
        count(*) as owner_count,
        count(*) over (partition by report_key, core_index) as sharer_count,
        row_number() over (partition by report_key, core_index order by sharer) as sharer_number,
    from shared_owners
    group by report_key, core_index, sharer
),

shares as (
    select
        o.report_key,
        o.core_index,
        o.owner_id,
        s.owner_count,
        -- largest remainder: the first take what does not divide
        720720 // r.cores_per_device // s.sharer_count
        + case when s.sharer_number <= 720720 // r.cores_per_device % s.sharer_count then 1 else 0 end as sharer_units,
        row_number() over (partition by o.report_key, o.core_index, o.sharer order by o.owner_id) as owner_number,
    from shared_owners as o
    join sharers as s using (report_key, core_index, sharer)
    join reports as r using (report_key)
),

units as (
    select
        report_key,
        core_index,
        owner_id,
        sharer_units // owner_count + case when owner_number <= sharer_units % owner_count then 1 else 0 end
            as share_units,
    from shares
    union all
    select
        c.report_key,
        c.core_index,
        n.owner_id,
        720720 // r.cores_per_device as share_units,
    from pod_cores as c
    join pod_names as n on c.first_pod_key = n.pod_key
    join reports as r using (report_key)
    where c.first_pod_key = c.last_pod_key
    union all
    select
        t.report_key,
        t.core_index,
        case when t.tags[1] = '' then '' else 'tag' || chr(31) || t.tags[1] end as owner_id,
        720720 // r.cores_per_device as share_units,
    from runtimes as t
    join reports as r using (report_key)
    where len(t.tags) = 1
)

select
    r.instance_id,
    r.sample_at,
    u.core_index // r.cores_per_device as device_index,
    u.core_index,
    u.owner_id,
    u.share_units,
    -- a core that nobody reports is idle; one whose counters failed is unknown
    case when c.core_index is null and not r.has_counter_errors then 0 else c.busy_ppm * u.share_units end as busy_ppm_units,
from units as u
join reports as r using (report_key)
left join cores as c using (report_key, core_index)
