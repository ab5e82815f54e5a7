-- int_gpu_copies: the samples of contested labels (see stg_dcgm_spans), one row per GPU and instant: the best source's newest delivery's, never added up.
-- grain:  hostname, device_key, sample_at
-- column: hostname | host label of the exporter
-- column: device_key | GPU as in stg_dcgm_spans
-- column: sample_at | time of the scrape
-- column: label_key | labels of the only owner's row, else of the first in order; where several share the GPU, a hash that names the set of their labels
-- column: owner_label_keys | labels of the owners, where there are several: int_gpu_owners holds their shares; else NULL
-- column: cadence_ms | sampling period, milliseconds
-- column: busy_ppm | parts per million of the period that the engine was active; NULL where unknown
-- column: counter_bits | counter that gave busy_ppm: 1 gr_engine_active, 2 gpu_util, 0 none
-- column: achieved_ppm | parts per million of the period that the tensor pipe was active; NULL where unknown
-- column: memory_used_bytes | frame buffer used
-- column: power_milliwatts | power draw of the whole GPU
-- column: energy_millijoules | running energy counter of the whole GPU
-- column: temperature_celsius | GPU temperature
-- column: xid_code | last XID error code, 0 for none; NULL where not reported
-- column: uncorrected_error_count | running count of double-bit ECC errors; NULL where not reported
-- column: is_scale_suspect | a ratio above its scale was seen and cut
-- column: is_time_guessed | the time came from a file's modification time
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a GPU cannot work more than all of the time
-- window: sample_at

with spans as materialized (
    select
        *,
        -- numbers instead of texts: what follows compares them millions of times
        cast(dense_rank() over (order by hostname, device_key) as integer) as device_number,
        cast(dense_rank() over (order by precedence desc, delivery_observed_at, delivery_id) as integer)
            as delivery_number,
    from stg_dcgm_spans
    where
        seen_hour_at >= $start_at
        and seen_hour_at < $end_at
        -- most hosts have nothing contested in an hour
        and (seen_hour_at, hostname) in (
            select (c.seen_hour_at, c.hostname)
            from stg_dcgm_spans as c
            where c.is_contested and c.seen_hour_at >= $start_at and c.seen_hour_at < $end_at
        )
),

-- while MIG is on only its instances exist
mig_instants as (
    select distinct
        m.hostname,
        m.gpu_uuid,
        m.device_name,
        s.sample_at,
    from stg_dcgm_samples as s
    join spans as m using (delivery_id, label_key)
    where
        m.gpu_instance_id <> ''
        and (m.seen_hour_at, m.hostname, m.gpu_uuid, m.device_name) in (
            select (seen_hour_at, hostname, gpu_uuid, device_name) from spans
            where is_contested and gpu_instance_id = ''
        )
        -- said once more, so that only the deliveries concerned are read
        and s.delivery_id in (
            select delivery_id from spans
            where is_contested
        )
        and s.sample_at >= $start_at
        and s.sample_at < $end_at
),

-- most hours are told of by one source
several as (
    select
        device_number,
        seen_hour_at,
    from spans
    group by device_number, seen_hour_at
    having min(precedence) < max(precedence)
),

told as (
    select distinct
        c.device_number,
        c.seen_hour_at,
        c.precedence,
        s.sample_at,
    from stg_dcgm_samples as s
    join spans as c using (delivery_id, label_key)
    where
        (c.device_number, c.seen_hour_at) in (select (device_number, seen_hour_at) from several)
        -- said once more, so that only the deliveries concerned are read
        and s.delivery_id in (
            select each.delivery_id
            from spans as each
            semi join several using (device_number, seen_hour_at)
        )
        and s.sample_at >= $start_at
        and s.sample_at < $end_at
),

-- within a minute of what a better source tells of the device in that hour
spoken_for as (
    select
        device_number,
        precedence,
        sample_at,
    from (
        select
            *,
            min(precedence) over (
                partition by device_number, seen_hour_at order by sample_at
                range between interval 1 minute preceding and interval 1 minute following
            ) as best_precedence,
        from told
    )
    where best_precedence < precedence
),

copies as (
    select
        s.*,
        c.device_number,
        c.delivery_number,
        c.owner_id,
        c.is_time_guessed,
    from stg_dcgm_samples as s
    join spans as c using (delivery_id, label_key)
    anti join mig_instants as m
        on
            c.gpu_instance_id = ''
            and c.hostname = m.hostname
            and c.gpu_uuid = m.gpu_uuid
            and c.device_name = m.device_name
            and s.sample_at = m.sample_at
    anti join spoken_for as b
        on
            c.device_number = b.device_number
            and c.precedence = b.precedence
            and s.sample_at = b.sample_at
    where
        c.is_contested
        -- said once more, so that only the deliveries concerned are read
        and s.delivery_id in (
            select delivery_id from spans
            where is_contested
        )
        and s.sample_at >= $start_at
        and s.sample_at < $end_at
),

folded as materialized (
    select
        device_number,
        sample_at,
        delivery_number,
        min(label_key) as first_label_key,
        min(label_key) filter (where owner_id <> '') as owner_label_key,
        list_sort(list(label_key) filter (where owner_id <> '')) as owner_label_keys,
        min(owner_id) filter (where owner_id <> '') <> max(owner_id) as is_shared,
        max(cadence_ms) as cadence_ms,
        coalesce(max(busy_ppm) filter (where counter_bits = 1), max(busy_ppm)) as busy_ppm,
        coalesce(min(counter_bits) filter (where counter_bits > 0), 0) as counter_bits,
        max(achieved_ppm) as achieved_ppm,
        max(memory_used_bytes) as memory_used_bytes,
        max(power_milliwatts) as power_milliwatts,
        max(energy_millijoules) as energy_millijoules,
        max(temperature_celsius) as temperature_celsius,
        max(xid_code) as xid_code,
        max(uncorrected_error_count) as uncorrected_error_count,
        bool_or(is_scale_suspect) as is_scale_suspect,
        bool_or(is_time_guessed) as is_time_guessed,
    from copies
    group by device_number, sample_at, delivery_number
),

newest as (
    select
        device_number,
        sample_at,
        max(delivery_number) as delivery_number,
    from folded
    group by device_number, sample_at
),

devices as (
    select distinct
        device_number,
        hostname,
        device_key,
    from spans
)

select
    d.hostname,
    d.device_key,
    f.sample_at,
    case when f.is_shared then hash(f.owner_label_keys) else coalesce(f.owner_label_key, f.first_label_key) end
        as label_key,
    case when f.is_shared then f.owner_label_keys end as owner_label_keys,
    f.cadence_ms,
    f.busy_ppm,
    f.counter_bits,
    f.achieved_ppm,
    f.memory_used_bytes,
    f.power_milliwatts,
    f.energy_millijoules,
    f.temperature_celsius,
    f.xid_code,
    f.uncorrected_error_count,
    f.is_scale_suspect,
    f.is_time_guessed,
from folded as f
join newest using (device_number, sample_at, delivery_number)
join devices as d using (device_number)
