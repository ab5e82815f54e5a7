-- stg_dcgm_spans: what the labels of GPU rows mean, and from when to when each delivery showed them, per hour.
-- grain:  label_key, delivery_id
-- column: seen_hour_at | UTC hour of the samples
-- column: label_key | hash of the hour and all labels: names the set of labels in stg_dcgm_samples
-- column: delivery_id | the delivery that brought the samples
-- column: delivery_observed_at | of two deliveries that tell of one instant the later observed speaks, then the greater id
-- column: precedence | of sources that tell of one device the smallest speaks: dcgm-exporter's text, range queries, dumps
-- column: hostname | host label of the exporter
-- column: device_key | GPU UUID, else the device name; '/GI<id>' appended for a MIG instance; a vGPU UUID that ends in zeros is prefixed with its host
-- column: gpu_uuid | GPU UUID, '' where the exporter gives none
-- column: device_name | nvidia<N>
-- column: gpu_instance_id | MIG instance, '' on a whole GPU
-- column: mig_profile | MIG profile such as 3g.40gb, '' on a whole GPU
-- column: model_name | GPU model as the exporter names it
-- column: owner_id | owner named by the labels: kind and its parts, separated by the unit separator; '' for none
-- column: sharer | pod or job of the owner: what shares a device equally; '' for none
-- column: first_at | first sample
-- column: last_at | last sample
-- column: speaker_key | the labels that speak for these: of rows that a delivery copied for each owner, all alike, only the speaker's count
-- column: spoken_owner_id | owner by all the copies: '' for none, NULL where they name several
-- column: sharers_key | names the owners in int_gpu_owners where the copies name several, else NULL
-- column: is_contested | rows that are no copies tell of the same device at overlapping times, or MIG divides it: int_gpu_copies says what counts
-- column: is_time_guessed | the times came from a file's modification time
-- check:  fail | last_at >= first_at | a span runs forward
-- check:  fail | device_key <> '' | a row that names no device can be nobody's
-- check:  fail | query: select s.sample_at as seen_hour_at, s.delivery_id, s.label_key from stg_dcgm_samples as s
--     anti join stg_dcgm_spans as n using (delivery_id, label_key)
--     where s.sample_at >= $start_at and s.sample_at < $end_at | a sample without its labels would be lost
-- window: seen_hour_at

with spans as (
    select
        epoch_ms(sample_at) // 3600000 as hour_number,
        delivery_id,
        hostname,
        gpu_index,
        device,
        gpu_uuid,
        gpu_instance_id,
        gpu_instance_profile,
        model_name,
        namespace,
        pod,
        container,
        pod_uid,
        hpc_job,
        min(sample_at) as first_at,
        max(sample_at) as last_at,
        count(*) as row_count,
        -- equal sums over equally many rows: the same figures at the same instants
        sum(
            hash(
                sample_at, gpu_util, gr_engine_active, tensor_active, power_usage, total_energy_consumption, gpu_temp,
                memory_temp, fb_used, xid_errors, ecc_dbe_volatile
            )
        ) as content_sum,
    from raw_dcgm_samples
    where sample_at >= $start_at and sample_at < $end_at
    group by
        hour_number, delivery_id, hostname, gpu_index, device, gpu_uuid, gpu_instance_id, gpu_instance_profile,
        model_name, namespace, pod, container, pod_uid, hpc_job
),

named as materialized (
    select
        *,
        -- the same words as in stg_dcgm_samples
        hash(
            hour_number, hostname, gpu_index, device, gpu_uuid, gpu_instance_id, gpu_instance_profile, model_name,
            namespace, pod, container, pod_uid, hpc_job
        ) as label_key,
        coalesce(nullif(device, ''), 'nvidia' || gpu_index) as device_name,
        case
            when gpu_uuid = '' then coalesce(nullif(device, ''), 'nvidia' || gpu_index)
            when gpu_uuid like '%00000000' then hostname || '/' || gpu_uuid
            else gpu_uuid
        end || case when gpu_instance_id = '' then '' else '/GI' || gpu_instance_id end as device_key,
        case
            when pod <> '' then concat_ws(chr(31), 'pod', namespace, pod, container)
            when hpc_job <> '' then concat_ws(chr(31), 'slurm', hpc_job)
            else ''
        end as owner_id,
        case when pod <> '' then concat_ws(chr(31), namespace, pod) else hpc_job end as sharer,
    from spans
),

copies as materialized (
    select
        hour_number,
        delivery_id,
        hostname,
        device_key,
        row_count,
        content_sum,
        min(label_key) as speaker_key,
        list_sort(list(label_key)) as label_keys,
        list_sort(list(label_key) filter (where owner_id <> '')) as owner_label_keys,
        coalesce(min(owner_id) filter (where owner_id <> ''), '') as first_owner_id,
        max(owner_id) as last_owner_id,
        max(model_name) as model_name,
        any_value(first_at) as first_at,
        any_value(last_at) as last_at,
    from named
    group by hour_number, delivery_id, hostname, device_key, row_count, content_sum
),

-- most devices have one span in an hour, which nothing can cross
several as (
    select copies.*
    from copies
    semi join (
        select
            c.hour_number,
            c.hostname,
            c.device_key,
        from copies as c
        group by c.hour_number, c.hostname, c.device_key
        having count(*) > 1
    ) using (hour_number, hostname, device_key)
),

crossed as (
    select
        label_keys,
        coalesce(max(last_at) over earlier >= first_at or lead(first_at) over series <= last_at, false) as is_crossed,
    from several
    window
        series as (
            partition by hour_number, hostname, device_key order by first_at, last_at, speaker_key, delivery_id
        ),
        earlier as (
            partition by hour_number, hostname, device_key order by first_at, last_at, speaker_key, delivery_id
            rows between unbounded preceding and 1 preceding
        )
),

-- labels with other company in another delivery of the hour
varied as (
    select label_key
    from (
        select distinct
            label_keys,
            unnest(label_keys) as label_key,
        from copies
    )
    group by label_key
    having count(*) > 1
),

-- while MIG is on only its instances exist
divided as (
    select label_key
    from named
    where
        gpu_instance_id = ''
        and (hour_number, hostname, gpu_uuid, device_name) in (
            select (mig.hour_number, mig.hostname, mig.gpu_uuid, mig.device_name)
            from named as mig
            where mig.gpu_instance_id <> ''
        )
),

-- what contests one label contests all its copies
contested as (
    select unnest(label_keys) as label_key
    from crossed
    where is_crossed
    union
    select unnest(label_keys) as label_key
    from (
        select
            label_keys,
            unnest(label_keys) as member_key,
        from copies
    )
    where member_key in (
        select v.label_key from varied as v
        union all
        select d.label_key from divided as d
    )
)

select
    make_timestamptz(n.hour_number * 3600000000) as seen_hour_at,
    n.label_key,
    n.delivery_id,
    d.observed_at as delivery_observed_at,
    coalesce(p.precedence, 1) as precedence,
    n.hostname,
    n.device_key,
    n.gpu_uuid,
    n.device_name,
    n.gpu_instance_id,
    n.gpu_instance_profile as mig_profile,
    case when k.label_key is null then c.model_name else n.model_name end as model_name,
    n.owner_id,
    n.sharer,
    n.first_at,
    n.last_at,
    c.speaker_key,
    case when c.first_owner_id = c.last_owner_id then c.first_owner_id end as spoken_owner_id,
    case when c.first_owner_id <> c.last_owner_id then hash(c.owner_label_keys) end as sharers_key,
    k.label_key is not null as is_contested,
    d.time_guessed as is_time_guessed,
from named as n
join copies as c using (hour_number, delivery_id, hostname, device_key, row_count, content_sum)
join raw_deliveries as d using (delivery_id)
left join seed_sources as p on d.source = p.source
left join contested as k using (label_key)
