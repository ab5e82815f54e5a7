-- stg_dcgm_owners: the owners of GPUs that several pods or jobs share, each with an equal share.
-- grain:  hostname, device_key, sample_at, owner_id
-- column: hostname | host label of the exporter
-- column: device_key | GPU as in stg_dcgm_samples
-- column: sample_at | time of the scrape
-- column: owner_id | owner: kind and its parts, separated by the unit separator
-- column: share_units | share of the device in 1/720720ths; the shares of a device and instant sum to 720720
-- check:  fail | share_units between 1 and 720720 | a share is a part of one device
-- window: sample_at

-- most devices have one owner: the few hashes seen twice, and only those, are compared by their keys below
with repeated as (
    select
        hash(
            hostname,
            case when gpu_uuid = '' then coalesce(nullif(device, ''), 'nvidia' || gpu_index) else gpu_uuid end,
            gpu_instance_id,
            sample_at
        ) as place_hash
    from raw_dcgm_samples
    where sample_at >= $start_at and sample_at < $end_at and (pod <> '' or hpc_job <> '')
    group by place_hash
    having count(*) > 1
),

claims as (
    select
        s.hostname,
        case
            when s.gpu_uuid = '' then coalesce(nullif(s.device, ''), 'nvidia' || s.gpu_index)
            when s.gpu_uuid like '%00000000' then s.hostname || '/' || s.gpu_uuid
            else s.gpu_uuid
        end || case when s.gpu_instance_id = '' then '' else '/GI' || s.gpu_instance_id end as device_key,
        s.sample_at,
        case
            when s.pod <> '' then concat_ws(chr(31), 'pod', s.namespace, s.pod, s.container)
            else concat_ws(chr(31), 'slurm', s.hpc_job)
        end as owner_id,
        case when s.pod <> '' then concat_ws(chr(31), s.namespace, s.pod) else s.hpc_job end as sharer,
        (d.observed_at, delivery_id) as delivery_rank,
        hash(
            s.hostname,
            case when s.gpu_uuid = '' then coalesce(nullif(s.device, ''), 'nvidia' || s.gpu_index) else s.gpu_uuid end,
            s.gpu_instance_id,
            s.sample_at
        ) as place_hash,
    from raw_dcgm_samples as s
    join raw_deliveries as d using (delivery_id)
    where s.sample_at >= $start_at and s.sample_at < $end_at and (s.pod <> '' or s.hpc_job <> '')
),

owned as materialized (
    select *
    from claims
    semi join repeated using (place_hash)
),

shared as (
    select
        hostname,
        device_key,
        sample_at,
        max(delivery_rank) as newest_rank,
    from owned
    group by hostname, device_key, sample_at
    having count(*) > 1
),

owners as (
    select distinct
        owned.hostname,
        owned.device_key,
        owned.sample_at,
        owned.owner_id,
        owned.sharer,
    from owned
    join shared using (hostname, device_key, sample_at)
    where owned.delivery_rank = shared.newest_rank
),

-- pods and jobs share equally, and the containers of a pod share what is its
sharers as (
    select
        hostname,
        device_key,
        sample_at,
        sharer,
        count(*) over (partition by hostname, device_key, sample_at) as sharer_count,
        row_number() over (partition by hostname, device_key, sample_at order by sharer) as sharer_number,
    from owners
    group by hostname, device_key, sample_at, sharer
),

counted as (
    select
        owners.*,
        -- largest remainder: the first take what does not divide
        720720 // sharer_count + case when sharer_number <= 720720 % sharer_count then 1 else 0 end as sharer_units,
        count(*) over (partition by hostname, device_key, sample_at, sharer) as owner_count,
        row_number() over (partition by hostname, device_key, sample_at, sharer order by owner_id) as owner_number,
        count(*) over (partition by hostname, device_key, sample_at) as device_owner_count,
    from owners
    join sharers using (hostname, device_key, sample_at, sharer)
)

select
    hostname,
    device_key,
    sample_at,
    owner_id,
    sharer_units // owner_count + case when owner_number <= sharer_units % owner_count then 1 else 0 end as share_units,
from counted
where device_owner_count > 1
