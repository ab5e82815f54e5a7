-- int_silent_samples: GPU samples that do not count, since another place or source tells more of the same device at that time.
-- grain:  label_key, sample_at
-- column: label_key | labels of the sample: without UUID beside one with it, of a host that is no instance beside one that is, of a whole GPU beside its MIG instances, or of a source that another one goes before
-- column: sample_at | time of the scrape
-- check:  fail | label_key is not null | a silent sample is named
-- window: sample_at

with places as materialized (
    select *
    from int_accelerator_places
    where source = 'dcgm' and seen_hour_at >= $start_at and seen_hour_at < $end_at
),

pairs as materialized (
    select
        loud.label_key as loud_key,
        loud.is_contested,
        silent.label_key,
        greatest(loud.valid_from_at, silent.valid_from_at) as valid_from_at,
        least(loud.valid_until_at, silent.valid_until_at) as valid_until_at,
    from places as loud
    join places as silent using (seen_hour_at, device_id, instance_id)
    where
        (loud.accelerator_id = silent.accelerator_id and silent.is_second_hand and not loud.is_second_hand)
        or (loud.device_slice_count > 1 and silent.device_slice_count = 1)
),

-- where sources of different precedence tell of one accelerator under different host names
told as (
    select
        s.seen_hour_at,
        p.accelerator_id,
        s.label_key,
        s.is_contested,
        min(s.precedence) as precedence,
        min(s.hostname) as hostname,
    from stg_dcgm_spans as s
    join places as p using (seen_hour_at, label_key)
    where
        s.seen_hour_at >= $start_at
        and s.seen_hour_at < $end_at
        -- not a join with every other label of the hour
        and s.seen_hour_at in (
            select several.seen_hour_at
            from stg_dcgm_spans as several
            where several.seen_hour_at >= $start_at and several.seen_hour_at < $end_at
            group by several.seen_hour_at
            having min(several.precedence) < max(several.precedence)
        )
    group by s.seen_hour_at, p.accelerator_id, s.label_key, s.is_contested
),

rivals as materialized (
    select told.*
    from told
    semi join (
        select
            t.seen_hour_at,
            t.accelerator_id,
        from told as t
        group by t.seen_hour_at, t.accelerator_id
        having min(t.precedence) < max(t.precedence) and min(t.hostname) < max(t.hostname)
    ) using (seen_hour_at, accelerator_id)
),

instants as (
    select
        label_key,
        sample_at,
        false as is_folded,
    from stg_dcgm_samples
    where
        sample_at >= $start_at
        and sample_at < $end_at
        -- said once more, so that only the deliveries concerned are read
        and delivery_id in (
            select s.delivery_id
            from stg_dcgm_spans as s
            where
                s.seen_hour_at >= $start_at
                and s.seen_hour_at < $end_at
                and (
                    s.label_key in (select pairs.loud_key from pairs)
                    or s.label_key in (select rivals.label_key from rivals)
                )
        )
    union all
    select
        label_key,
        sample_at,
        true as is_folded,
    from int_gpu_copies
    where sample_at >= $start_at and sample_at < $end_at
),

heard as (
    select
        r.label_key,
        i.sample_at,
        r.precedence,
        -- a minute around what the better source tells in that hour
        min(r.precedence) over (
            partition by r.seen_hour_at, r.accelerator_id order by i.sample_at
            range between interval 1 minute preceding and interval 1 minute following
        ) as best_precedence,
    from instants as i
    join rivals as r on i.label_key = r.label_key and i.is_folded = r.is_contested
)

select distinct
    p.label_key,
    i.sample_at,
from instants as i
join pairs as p
    on
        i.label_key = p.loud_key
        and i.is_folded = p.is_contested
        and i.sample_at >= p.valid_from_at
        and i.sample_at < p.valid_until_at
union
select
    label_key,
    sample_at,
from heard
where best_precedence < precedence
