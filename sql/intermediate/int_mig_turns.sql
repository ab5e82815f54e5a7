-- int_mig_turns: where MIG was switched on or off: samples before which their GPU last told of itself in its other form, whole or as instances.
-- grain:  accelerator_id, instance_id, sample_at
-- column: accelerator_id | GPU UUID, '/GI<id>' for a MIG instance
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: sample_at | the sample: it stands for no time before told_until_at
-- column: told_until_at | last sample of the GPU's other form before it, less than two hours ago
-- check:  fail | told_until_at < sample_at | time that is told of lies before the sample
-- window: sample_at
-- lookback: 2 hours

-- few GPUs are seen in both forms
with both_forms as (
    select *
    from int_accelerator_places
    where
        source = 'dcgm'
        and seen_hour_at >= $start_at - interval 2 hours
        and seen_hour_at < $end_at
        and (device_id, instance_id) in (
            select (p.device_id, p.instance_id)
            from int_accelerator_places as p
            where
                p.source = 'dcgm'
                and p.seen_hour_at >= $start_at - interval 2 hours
                and p.seen_hour_at < $end_at
            group by p.device_id, p.instance_id
            having min(p.device_slice_count) = 1 and max(p.device_slice_count) > 1
        )
        -- a row of the whole GPU beside each of its instances' is no form of it
        and (
            device_slice_count > 1
            or not is_contested
            or label_key in (
                select c.label_key
                from int_gpu_copies as c
                where c.sample_at >= $start_at - interval 2 hours and c.sample_at < $end_at
            )
        )
),

-- and few of their hours have the other form at hand
places as materialized (
    select b.*
    from both_forms as b
    semi join both_forms as o
        on
            b.device_id = o.device_id
            and b.instance_id = o.instance_id
            and (b.device_slice_count = 1) = (o.device_slice_count > 1)
            and b.seen_hour_at between o.seen_hour_at - interval 2 hours and o.seen_hour_at + interval 2 hours
),

labels as (
    select
        label_key,
        sample_at,
        false as is_folded,
    from stg_dcgm_samples
    where
        sample_at >= $start_at - interval 2 hours
        and sample_at < $end_at
        -- said once more, so that only the deliveries concerned are read
        and delivery_id in (
            select s.delivery_id
            from stg_dcgm_spans as s
            where
                s.seen_hour_at >= $start_at - interval 2 hours
                and s.seen_hour_at < $end_at
                and s.label_key in (select places.label_key from places)
        )
    union all
    select
        label_key,
        sample_at,
        true as is_folded,
    from int_gpu_copies
    where sample_at >= $start_at - interval 2 hours and sample_at < $end_at
),

samples as (
    select distinct
        p.accelerator_id,
        p.instance_id,
        p.device_id,
        p.device_slice_count > 1 as is_divided,
        g.sample_at,
    from labels as g
    join places as p
        on
            g.label_key = p.label_key
            and g.is_folded = p.is_contested
            and g.sample_at >= p.valid_from_at
            and g.sample_at < p.valid_until_at
    anti join int_silent_samples as silent
        on
            g.label_key = silent.label_key
            and g.sample_at = silent.sample_at
            and silent.sample_at >= $start_at - interval 2 hours
            and silent.sample_at < $end_at
),

in_order as (
    select
        *,
        lag(sample_at) over (partition by accelerator_id, instance_id order by sample_at) as sample_before_at,
        max(sample_at) filter (where is_divided) over earlier as divided_until_at,
        max(sample_at) filter (where not is_divided) over earlier as whole_until_at,
    from samples
    window
        earlier as (
            partition by device_id, instance_id order by sample_at
            rows between unbounded preceding and 1 preceding
        )
)

select
    accelerator_id,
    instance_id,
    sample_at,
    case when is_divided then whole_until_at else divided_until_at end as told_until_at,
from in_order
where
    sample_at >= $start_at
    -- no sample stands for more than two hours
    and sample_at - told_until_at < interval 2 hours
    and (sample_before_at is null or told_until_at > sample_before_at)
