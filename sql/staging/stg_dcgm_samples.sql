-- stg_dcgm_samples: the rows of DCGM exporters, units converted; a view, so no row is stored twice.
-- grain:  delivery_id, label_key, sample_at
-- column: delivery_id | the delivery that brought the row
-- column: label_key | hash of the hour and all labels, told in stg_dcgm_spans
-- column: sample_at | time of the scrape
-- column: cadence_ms | sampling period, milliseconds
-- column: busy_ppm | parts per million of the period that the engine was active (GR_ENGINE_ACTIVE, else GPU_UTIL); NULL where neither spoke
-- column: counter_bits | counter that gave busy_ppm: 1 gr_engine_active, 2 gpu_util, 0 none
-- column: achieved_ppm | parts per million of the period that the tensor pipe was active; NULL where unknown
-- column: memory_used_bytes | frame buffer used
-- column: power_milliwatts | power draw of the whole GPU
-- column: energy_millijoules | running energy counter of the whole GPU
-- column: temperature_celsius | GPU temperature
-- column: memory_temperature_celsius | memory temperature; NULL where the board has no sensor (reported as 0)
-- column: xid_code | last XID error code, 0 for none; NULL where not reported
-- column: uncorrected_error_count | running count of double-bit ECC errors; NULL where not reported
-- column: is_scale_suspect | a ratio above its scale was seen and cut
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a GPU cannot work more than all of the time
-- check:  fail | temperature_celsius is null or temperature_celsius between -50 and 200 | a sentinel slipped through
-- check:  warn | not is_scale_suspect | a ratio above its scale: the exporter's unit may have changed
-- window: sample_at

with factors as (
    select
        max(factor_to_canonical) filter (where column_name = 'gpu_util') as gpu_util,
        max(factor_to_canonical) filter (where column_name = 'gr_engine_active') as gr_engine_active,
        max(factor_to_canonical) filter (where column_name = 'tensor_active') as tensor_active,
        max(factor_to_canonical) filter (where column_name = 'fb_used') as fb_used,
        max(factor_to_canonical) filter (where column_name = 'power_usage') as power_usage,
        max(factor_to_canonical) filter (where column_name = 'total_energy_consumption') as energy,
    from seed_dcgm_fields
),

ratios as (
    select
        s.*,
        coalesce(
            s.gr_engine_active * f.gr_engine_active,
            -- GPU_UTIL means nothing for a MIG instance
            case when s.gpu_instance_id = '' then s.gpu_util * f.gpu_util end
        ) as busy_ratio,
        s.tensor_active * f.tensor_active as achieved_ratio,
        s.fb_used * f.fb_used as memory_used_bytes,
        s.power_usage * f.power_usage * 1000 as power_milliwatts,
        s.total_energy_consumption * f.energy * 1000 as energy_millijoules,
    from raw_dcgm_samples as s
    cross join factors as f
)

select
    delivery_id,
    -- the same words as in stg_dcgm_spans
    hash(
        epoch_ms(sample_at) // 3600000, hostname, gpu_index, device, gpu_uuid, gpu_instance_id, gpu_instance_profile,
        model_name, namespace, pod, container, pod_uid, hpc_job
    ) as label_key,
    sample_at,
    cadence_ms,
    -- not least(): it would turn an unknown ratio into a full one
    cast(round(case when busy_ratio > 1 then 1 else busy_ratio end * 1000000) as integer) as busy_ppm,
    case when gr_engine_active is not null then 1 when busy_ratio is not null then 2 else 0 end as counter_bits,
    cast(round(case when achieved_ratio > 1 then 1 else achieved_ratio end * 1000000) as integer) as achieved_ppm,
    cast(round(memory_used_bytes) as bigint) as memory_used_bytes,
    cast(round(power_milliwatts) as bigint) as power_milliwatts,
    cast(round(energy_millijoules) as bigint) as energy_millijoules,
    cast(round(gpu_temp) as integer) as temperature_celsius,
    nullif(cast(round(memory_temp) as integer), 0) as memory_temperature_celsius,
    cast(xid_errors as integer) as xid_code,
    cast(ecc_dbe_volatile as bigint) as uncorrected_error_count,
    coalesce(busy_ratio > 1.005 or achieved_ratio > 1.005, false) as is_scale_suspect,
from ratios
