-- int_accelerator_places: which accelerator on which instance, held by whom, each set of labels means, hour by hour.
-- grain:  label_key, valid_from_at
-- column: seen_hour_at | UTC hour of the samples
-- column: label_key | the labels: the key of the samples
-- column: valid_from_at | from when the host name means that instance
-- column: valid_until_at | until when
-- column: source | supplier of the sample
-- column: instance_key | instance id or host label as the supplier gave it
-- column: device_key | device as the supplier gave it
-- column: accelerator_id | GPU UUID ('/GI<id>' for a MIG instance) or <instance_id>/neuron<device>
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: device_id | physical device: accelerator_id without its MIG instance
-- column: is_second_hand | silent where another place tells of the accelerator at the same instant: its labels give no UUID, or a host that is no instance
-- column: slice_count | compute slices of a MIG instance, 1 on a whole device
-- column: device_slice_count | compute slices of the whole device, 1 without MIG
-- column: instance_type | type as the telemetry names it, '' where it does not
-- column: region | region as the telemetry names it, '' where it does not
-- column: model_name | GPU model as the exporter names it
-- column: logical_core_count | logical NeuronCores, 1 for a GPU
-- column: owner_id | the only known owner, '' for none, NULL where several share the device
-- column: sharers_key | names the owners of a shared GPU in int_gpu_owners; NULL where one or nobody holds it, and on Neuron
-- column: is_contested | the samples are in int_gpu_copies, folded
-- column: is_time_guessed | times of the hour came from a file's modification time; contested labels say so by the sample
-- column: first_at | first sample of the hour
-- column: last_at | last sample of the hour
-- check:  fail | slice_count between 1 and device_slice_count | an instance is a part of its device
-- window: seen_hour_at

with spans as (
    select
        * exclude (owner_id, sharers_key),
        case when is_contested then owner_id else spoken_owner_id end as owner_id,
        case when not is_contested then sharers_key end as sharers_key,
    from stg_dcgm_spans
    where seen_hour_at >= $start_at and seen_hour_at < $end_at and (is_contested or label_key = speaker_key)
),

labels as (
    select
        seen_hour_at,
        label_key,
        hostname,
        device_key,
        gpu_uuid,
        device_name,
        gpu_instance_id,
        mig_profile,
        model_name,
        owner_id,
        sharers_key,
        is_contested,
        not is_contested and bool_or(is_time_guessed) as is_time_guessed,
        min(first_at) as first_at,
        max(last_at) as last_at,
    from spans
    group by
        seen_hour_at, label_key, hostname, device_key, gpu_uuid, device_name, gpu_instance_id, mig_profile, model_name,
        owner_id, sharers_key, is_contested
),

-- where several share a GPU and no label speaks for the others, their labels together name the place
label_sets as (
    select distinct
        label_key,
        owner_label_keys[1] as member_label_key,
    from int_gpu_copies
    where owner_label_keys is not null and sample_at >= $start_at and sample_at < $end_at
),

gpu_labels as (
    select *
    from labels
    union all by name
    select
        labels.* exclude (label_key, owner_id, sharers_key),
        label_sets.label_key,
        label_sets.label_key as sharers_key,
        cast(null as varchar) as owner_id,
    from label_sets
    join labels on label_sets.member_label_key = labels.label_key
),

host_spans as (
    select
        hostname,
        instance_id,
        valid_from_at,
        valid_until_at,
    from int_hosts
    union all
    select
        hostname,
        '' as instance_id,
        cast('-infinity' as timestamptz) as valid_from_at,
        min(valid_from_at) as valid_until_at,
    from int_hosts
    group by hostname
),

gpu_places as (
    select
        g.*,
        case
            when regexp_full_match(g.hostname, 'i-[0-9a-f]{8,17}') then g.hostname
            else coalesce(h.instance_id, '')
        end as instance_id,
        case when a.gpu_uuid like '%00000000' then g.hostname || '/' || a.gpu_uuid else a.gpu_uuid end as alias_uuid,
        coalesce(h.valid_from_at, cast('-infinity' as timestamptz)) as valid_from_at,
        coalesce(h.valid_until_at, cast('infinity' as timestamptz)) as valid_until_at,
    from gpu_labels as g
    left join host_spans as h
        on
            g.hostname = h.hostname
            and g.last_at >= h.valid_from_at
            and g.first_at < h.valid_until_at
    left join int_gpu_aliases as a
        on g.hostname = a.hostname and g.device_name = a.device_name and g.gpu_uuid = ''
),

neuron_places as (
    select
        make_timestamptz(epoch_ms(sample_at) // 3600000 * 3600000000) as seen_hour_at,
        label_key,
        source,
        instance_id,
        device_index,
        instance_type,
        region,
        logical_core_count,
        owner_id,
        min(sample_at) as first_at,
        max(sample_at) as last_at,
    from int_neuron_samples
    where sample_at >= $start_at and sample_at < $end_at
    group by
        seen_hour_at, label_key, source, instance_id, device_index, instance_type, region, logical_core_count, owner_id
),

-- GPUs of Container Insights, in hours in which no exporter speaks of their instance
insights_places as (
    select
        make_timestamptz((epoch_ms(sample_at) - 1) // 3600000 * 3600000000) as seen_hour_at,
        label_key,
        source,
        instance_id,
        node_name,
        device_name,
        instance_type,
        region,
        min(sample_at) as first_at,
        max(sample_at) as last_at,
    from int_cloudwatch_gpus
    where sample_at > $start_at and sample_at <= $end_at
    group by seen_hour_at, label_key, source, instance_id, node_name, device_name, instance_type, region
),

named_places as (
    select
        seen_hour_at,
        label_key,
        valid_from_at,
        valid_until_at,
        'dcgm' as source,
        hostname as instance_key,
        device_key,
        coalesce(
            alias_uuid || case when gpu_instance_id = '' then '' else '/GI' || gpu_instance_id end,
            case
                when gpu_uuid = '' then coalesce(nullif(instance_id, ''), hostname) || '/' || device_key
                else device_key
            end
        ) as accelerator_id,
        instance_id,
        alias_uuid is not null as is_second_hand,
        case
            when gpu_instance_id = '' then 1
            else greatest(cast(coalesce(nullif(regexp_extract(mig_profile, '^(\d+)g', 1), ''), '1') as integer), 1)
        end as slice_count,
        case
            when gpu_instance_id = '' then 1
            -- NVIDIA MIG user guide, supported GPUs: these have four, all others on AWS seven
            when regexp_matches(model_name, 'A30|RTX[ -]PRO[ -]6000', 'i') then 4
            else 7
        end as device_slice_count,
        '' as instance_type,
        '' as region,
        model_name,
        1 as logical_core_count,
        owner_id,
        sharers_key,
        is_contested,
        is_time_guessed,
        first_at,
        last_at,
    from gpu_places
    union all
    select
        seen_hour_at,
        label_key,
        cast('-infinity' as timestamptz) as valid_from_at,
        cast('infinity' as timestamptz) as valid_until_at,
        source,
        instance_id as instance_key,
        cast(device_index as varchar) as device_key,
        instance_id || '/neuron' || device_index as accelerator_id,
        instance_id,
        false as is_second_hand,
        1 as slice_count,
        1 as device_slice_count,
        instance_type,
        region,
        '' as model_name,
        logical_core_count,
        owner_id,
        null as sharers_key,
        false as is_contested,
        false as is_time_guessed,
        first_at,
        last_at,
    from neuron_places
    union all
    select
        seen_hour_at,
        label_key,
        cast('-infinity' as timestamptz) as valid_from_at,
        cast('infinity' as timestamptz) as valid_until_at,
        source,
        instance_id as instance_key,
        device_name as device_key,
        instance_id || '/' || device_name as accelerator_id,
        instance_id,
        false as is_second_hand,
        1 as slice_count,
        1 as device_slice_count,
        instance_type,
        region,
        '' as model_name,
        1 as logical_core_count,
        '' as owner_id,
        null as sharers_key,
        false as is_contested,
        false as is_time_guessed,
        first_at,
        last_at,
    from insights_places as p
    -- an exporter whose host no inventory knows is told by the node's name
    anti join gpu_places as g
        on p.seen_hour_at = g.seen_hour_at and (p.instance_id = g.instance_id or p.node_name = g.hostname)
),

-- a second exporter under a name that says nothing (localhost) shows a GPU whose instance another one knows in that hour
known_instances as (
    select
        seen_hour_at,
        accelerator_id,
        min(instance_id) as instance_id,
    from named_places
    where instance_id <> ''
    group by seen_hour_at, accelerator_id
    having min(instance_id) = max(instance_id)
)

select
    p.seen_hour_at,
    p.label_key,
    p.valid_from_at,
    p.valid_until_at,
    p.source,
    p.instance_key,
    p.device_key,
    p.accelerator_id,
    case
        when
            p.instance_id = '' and p.valid_from_at = cast('-infinity' as timestamptz)
            and p.valid_until_at = cast('infinity' as timestamptz)
            then coalesce(k.instance_id, '')
        else p.instance_id
    end as instance_id,
    regexp_replace(p.accelerator_id, '/GI\d+$', '') as device_id,
    p.is_second_hand or p.instance_id = '' as is_second_hand,
    p.slice_count,
    p.device_slice_count,
    p.instance_type,
    p.region,
    p.model_name,
    p.logical_core_count,
    p.owner_id,
    p.sharers_key,
    p.is_contested,
    p.is_time_guessed,
    p.first_at,
    p.last_at,
from named_places as p
left join known_instances as k using (seen_hour_at, accelerator_id)
