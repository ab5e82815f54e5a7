-- int_silent_samples: GPU samples that do not count, since another place or source tells more of the same device at that time.
-- grain:  label_key, sample_at
-- column: label_key | labels of the sample: of a whole GPU beside its MIG instances at that instant; without UUID within a minute after one with it, of a host that is no instance after one that is, or within a minute of one of a better source
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
    where loud.device_slice_count > 1 and silent.device_slice_count = 1
),

-- of each set of labels the best source; NULL where several owners' labels together name the place
told as (
    select
        p.seen_hour_at,
        p.accelerator_id,
        p.label_key,
        p.is_contested,
        p.is_second_hand,
        p.instance_key,
        p.valid_from_at,
        p.valid_until_at,
        min(s.precedence) as precedence,
    from places as p
    left join stg_dcgm_spans as s
        on
            p.seen_hour_at = s.seen_hour_at
            and p.label_key = s.label_key
            and s.seen_hour_at >= $start_at
            and s.seen_hour_at < $end_at
    where
        -- not a join with every other label of the hour
        p.seen_hour_at in (
            select several.seen_hour_at
            from stg_dcgm_spans as several
            where several.seen_hour_at >= $start_at and several.seen_hour_at < $end_at
            group by several.seen_hour_at
            having min(several.precedence) < max(several.precedence)
        )
        or (p.seen_hour_at, p.accelerator_id) in (
            select (o.seen_hour_at, o.accelerator_id) from places as o
            where o.is_second_hand
        )
    group by
        p.seen_hour_at, p.accelerator_id, p.label_key, p.is_contested, p.is_second_hand, p.instance_key,
        p.valid_from_at, p.valid_until_at
),

-- where sources of different precedence tell of one accelerator under different host names, or one knows more of its place
rivals as materialized (
    select told.*
    from told
    semi join (
        select
            t.seen_hour_at,
            t.accelerator_id,
        from told as t
        group by t.seen_hour_at, t.accelerator_id
        having
            min(t.precedence) < max(t.precedence) and min(t.instance_key) < max(t.instance_key)
            or bool_or(t.is_second_hand) and not bool_and(t.is_second_hand)
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

-- a minute around what the better source tells in that hour, and a minute after what the better place does: one may follow
-- the other within the hour, and before its first minute lies another hour
heard as (
    select
        r.label_key,
        i.sample_at,
        r.precedence > min(r.precedence) over around
        or r.is_second_hand and not bool_and(r.is_second_hand) over since
        or r.is_second_hand and not bool_and(r.is_second_hand) over around and epoch_ms(i.sample_at) % 3600000 < 60000
            as is_silent,
    from instants as i
    join rivals as r
        on
            i.label_key = r.label_key
            and i.is_folded = r.is_contested
            and i.sample_at >= r.valid_from_at
            and i.sample_at < r.valid_until_at
    window
        around as (
            partition by r.seen_hour_at, r.accelerator_id order by i.sample_at
            range between interval 1 minute preceding and interval 1 minute following
        ),
        since as (
            partition by r.seen_hour_at, r.accelerator_id order by i.sample_at
            range between interval 1 minute preceding and current row
        )
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
where is_silent
