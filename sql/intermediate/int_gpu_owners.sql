-- int_gpu_owners: the owners of GPUs that several pods or jobs share, each with an equal share.
-- grain:  label_key, owner_id
-- column: seen_hour_at | UTC hour of the samples
-- column: label_key | names the set of owners, as sharers_key in int_accelerator_places
-- column: owner_id | owner: kind and its parts, separated by the unit separator
-- column: share_units | share of the device in 1/720720ths; the shares of a device and instant sum to 720720
-- check:  fail | share_units between 1 and 720720 | a share is a part of one device
-- window: seen_hour_at

with owner_labels as (
    select
        sharers_key as label_key,
        label_key as owner_label_key,
    from stg_dcgm_spans
    where sharers_key is not null and not is_contested and seen_hour_at >= $start_at and seen_hour_at < $end_at
    union all
    select
        label_key,
        unnest(owner_label_keys) as owner_label_key,
    from (
        select distinct
            label_key,
            owner_label_keys,
        from int_gpu_copies
        where owner_label_keys is not null and sample_at >= $start_at and sample_at < $end_at
    )
),

owners as (
    select distinct
        s.seen_hour_at,
        l.label_key,
        s.owner_id,
        s.sharer,
    from owner_labels as l
    join stg_dcgm_spans as s on l.owner_label_key = s.label_key
    where s.seen_hour_at >= $start_at and s.seen_hour_at < $end_at and s.owner_id <> ''
),

-- pods and jobs share equally, and the containers of a pod share what is its
sharers as (
    select
        label_key,
        sharer,
        count(*) over (partition by label_key) as sharer_count,
        row_number() over (partition by label_key order by sharer) as sharer_number,
    from owners
    group by label_key, sharer
),

counted as (
    select
        owners.*,
        -- largest remainder: the first take what does not divide
        720720 // sharer_count + case when sharer_number <= 720720 % sharer_count then 1 else 0 end as sharer_units,
        count(*) over (partition by label_key, sharer) as owner_count,
        row_number() over (partition by label_key, sharer order by owner_id) as owner_number,
    from owners
    join sharers using (label_key, sharer)
)

select
    seen_hour_at,
    label_key,
    owner_id,
    sharer_units // owner_count + case when owner_number <= sharer_units % owner_count then 1 else 0 end as share_units,
from counted
