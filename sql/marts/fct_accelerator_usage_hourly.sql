-- fct_accelerator_usage_hourly: observed, allocated, busy and achieved time of each accelerator per UTC hour.
-- grain:  usage_hour_at, accelerator_id, instance_id
-- column: usage_hour_at | UTC hour
-- column: accelerator_id | accelerator
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: observed_seconds | seconds covered by valid samples
-- column: allocated_seconds | seconds held by a known or unknown owner, weighted by held cores
-- column: known_allocated_seconds | the part of allocated_seconds whose owner is known; equals the held seconds of all workloads
-- column: busy_seconds | seconds of execution; NULL where no sample could tell
-- column: busy_observed_seconds | observed seconds whose execution is known
-- column: achieved_ratio | tensor activity over the time it is known, 0-1; NULL where unknown
-- column: utilization_source | counter that spoke: gr_engine_active, gpu_util, neuroncore_utilization, several joined by '+', or none
-- column: memory_used_bytes_max | largest device memory in use
-- column: power_watts_avg | time-weighted mean power of the whole device; NULL where unknown
-- column: energy_joules | energy of the whole device; NULL where power and energy are unknown
-- column: temperature_celsius_max | highest temperature; NULL where unknown
-- column: error_count | uncorrected memory errors and new XID codes
-- column: quality_flags | sorted, comma-joined doubts about the hour
-- check:  fail | observed_seconds between 0 and 3600 | an hour has 3,600 seconds
-- check:  fail | allocated_seconds between 0 and observed_seconds + 0.001 | nothing is held that was not observed
-- check:  fail | busy_seconds is null or busy_seconds between 0 and observed_seconds + 0.001 | nothing works that was not observed
-- check:  warn | quality_flags not like '%scale_suspect%' | a utilization above its scale: the exporter's unit may have changed
-- window: usage_hour_at

with known as (
    select
        usage_hour_at,
        accelerator_id,
        instance_id,
        sum(held_seconds) as held_seconds,
    from fct_workload_usage_hourly
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    group by usage_hour_at, accelerator_id, instance_id
),

flags (bit, flag) as (
    values
    (1, 'attribution_unreliable'), (2, 'late'), (4, 'oversubscribed'), (8, 'scale_suspect'), (16, 'short_period'),
    (32, 'sources_disagree'), (64, 'stale'), (128, 'synthetic_zero_suspect'), (256, 'time_guessed')
),

-- more was held on an instance than it was paid for
oversubscribed as (
    select distinct
        usage_hour_at,
        instance_id,
    from int_hour_weights
    where is_oversubscribed and usage_hour_at >= $start_at and usage_hour_at < $end_at
),

marked as (
    select h.* replace (h.flag_bits | case when o.instance_id is null then 0 else 4 end as flag_bits)
    from int_accelerator_hours as h
    left join oversubscribed as o using (usage_hour_at, instance_id)
    where h.usage_hour_at >= $start_at and h.usage_hour_at < $end_at
),

flag_texts as (
    select
        b.flag_bits,
        coalesce(string_agg(f.flag, ',' order by f.flag), '') as quality_flags,
    from (
        select distinct flag_bits
        from marked
    ) as b
    left join flags as f on b.flag_bits & f.bit > 0
    group by b.flag_bits
)

select
    h.usage_hour_at,
    h.accelerator_id,
    h.instance_id,
    cast(cast(h.observed_ms as decimal(18, 0)) * 0.001 as decimal(18, 9)) as observed_seconds,
    cast(
        coalesce(k.held_seconds, 0) + cast(h.unknown_ns as decimal(18, 0)) * 0.000000001 as decimal(18, 9)
    ) as allocated_seconds,
    cast(coalesce(k.held_seconds, 0) as decimal(18, 9)) as known_allocated_seconds,
    cast(cast(h.busy_ns as decimal(18, 0)) * 0.000000001 as decimal(18, 9)) as busy_seconds,
    cast(cast(h.busy_observed_ms as decimal(18, 0)) * 0.001 as decimal(18, 9)) as busy_observed_seconds,
    round(h.achieved_ns / nullif(h.achieved_observed_ms * 1000000, 0), 6) as achieved_ratio,
    case h.counter_bits
        when 0 then 'none'
        when 1 then 'gr_engine_active'
        when 2 then 'gpu_util'
        when 3 then 'gr_engine_active+gpu_util'
        when 4 then 'neuroncore_utilization'
        else 'several'
    end as utilization_source,
    h.memory_used_bytes_max,
    round(h.power_milliwatt_ms / nullif(h.power_observed_ms, 0) / 1000, 3) as power_watts_avg,
    cast(cast(h.energy_millijoules as decimal(18, 0)) * 0.001 as decimal(18, 3)) as energy_joules,
    h.temperature_celsius_max,
    h.error_count,
    f.quality_flags,
from marked as h
left join known as k using (usage_hour_at, accelerator_id, instance_id)
join flag_texts as f using (flag_bits)
