-- stg_dcgm_samples: one row per GPU (or MIG instance) and scrape, copies of a device row folded, units converted.
-- grain:  hostname, device_key, sample_at
-- column: hostname | host label of the exporter
-- column: device_key | GPU UUID, else the device name; '/GI<id>' appended for a MIG instance; a vGPU UUID that ends in zeros is prefixed with its host
-- column: sample_at | time of the scrape
-- column: gpu_uuid | GPU UUID, '' where the exporter gives none
-- column: device_name | nvidia<N>
-- column: mig_profile | MIG profile such as 3g.40gb, '' on a whole GPU
-- column: model_name | GPU model as the exporter names it
-- column: cadence_ms | sampling period, milliseconds
-- column: busy_ppm | parts per million of the period that the engine was active (GR_ENGINE_ACTIVE, else GPU_UTIL); NULL where neither spoke
-- column: utilization_source | counter that gave busy_ppm: gr_engine_active, gpu_util or ''
-- column: achieved_ppm | parts per million of the period that the tensor pipe was active; NULL where unknown
-- column: memory_used_bytes | frame buffer used
-- column: power_milliwatts | power draw of the whole GPU
-- column: energy_millijoules | running energy counter of the whole GPU
-- column: temperature_celsius | GPU temperature
-- column: memory_temperature_celsius | memory temperature; NULL where the board has no sensor (reported as 0)
-- column: xid_code | last XID error code, 0 for none; NULL where not reported
-- column: uncorrected_error_count | running count of double-bit ECC errors; NULL where not reported
-- column: owner_id | the only owner named on the rows, '' for none, NULL where several share the device (see stg_dcgm_owners)
-- column: is_scale_suspect | a ratio above its scale was seen and cut
-- column: is_time_guessed | the time came from a file's modification time
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

mig_instants as (
    select distinct
        hostname,
        gpu_uuid,
        coalesce(nullif(device, ''), 'nvidia' || gpu_index) as device_name,
        sample_at,
    from raw_dcgm_samples
    where gpu_instance_id <> '' and sample_at >= $start_at and sample_at < $end_at
),

keyed as not materialized (
    select
        s.*,
        d.time_guessed,
        d.observed_at as delivery_observed_at,
        coalesce(nullif(s.device, ''), 'nvidia' || s.gpu_index) as device_name,
        case
            when s.gpu_uuid = '' then coalesce(nullif(s.device, ''), 'nvidia' || s.gpu_index)
            when s.gpu_uuid like '%00000000' then s.hostname || '/' || s.gpu_uuid
            else s.gpu_uuid
        end || case when s.gpu_instance_id = '' then '' else '/GI' || s.gpu_instance_id end as device_key,
        case
            when s.pod <> '' then concat_ws(chr(31), 'pod', s.namespace, s.pod, s.container)
            when s.hpc_job <> '' then concat_ws(chr(31), 'slurm', s.hpc_job)
        end as owner_id,
    from raw_dcgm_samples as s
    join raw_deliveries as d using (delivery_id)
    -- while MIG is on only its instances exist
    anti join mig_instants as m
        on
            s.hostname = m.hostname
            and s.gpu_uuid = m.gpu_uuid
            and coalesce(nullif(s.device, ''), 'nvidia' || s.gpu_index) = m.device_name
            and s.sample_at = m.sample_at
            and s.gpu_instance_id = ''
    where s.sample_at >= $start_at and s.sample_at < $end_at
),

-- most devices have one row at an instant: the few hashes seen twice, and only those, are compared by their keys below
repeated as (
    select hash(hostname, device_key, sample_at) as place_hash
    from keyed
    group by place_hash
    having count(*) > 1
),

copies as materialized (
    select keyed.*
    from keyed
    semi join repeated on hash(keyed.hostname, keyed.device_key, keyed.sample_at) = repeated.place_hash
),

newest as (
    select
        hostname,
        device_key,
        sample_at,
        max((delivery_observed_at, delivery_id)) as newest_delivery,
    from copies
    group by hostname, device_key, sample_at
),

devices as (
    select
        hostname,
        device_key,
        sample_at,
        gpu_uuid,
        device_name,
        gpu_instance_profile as mig_profile,
        model_name,
        cadence_ms,
        gr_engine_active,
        gpu_util,
        tensor_active,
        fb_used,
        power_usage,
        total_energy_consumption,
        gpu_temp,
        memory_temp,
        xid_errors,
        ecc_dbe_volatile,
        owner_id as first_owner_id,
        owner_id as last_owner_id,
        time_guessed as is_time_guessed,
    from keyed
    anti join repeated on hash(keyed.hostname, keyed.device_key, keyed.sample_at) = repeated.place_hash
    union all
    select
        c.hostname,
        c.device_key,
        c.sample_at,
        max(c.gpu_uuid) as gpu_uuid,
        max(c.device_name) as device_name,
        max(c.gpu_instance_profile) as mig_profile,
        max(c.model_name) as model_name,
        max(c.cadence_ms) as cadence_ms,
        max(c.gr_engine_active) as gr_engine_active,
        max(c.gpu_util) as gpu_util,
        max(c.tensor_active) as tensor_active,
        max(c.fb_used) as fb_used,
        max(c.power_usage) as power_usage,
        max(c.total_energy_consumption) as total_energy_consumption,
        max(c.gpu_temp) as gpu_temp,
        max(c.memory_temp) as memory_temp,
        max(c.xid_errors) as xid_errors,
        max(c.ecc_dbe_volatile) as ecc_dbe_volatile,
        min(c.owner_id) as first_owner_id,
        max(c.owner_id) as last_owner_id,
        bool_or(c.time_guessed) as is_time_guessed,
    from copies as c
    join newest as n
        on
            c.hostname = n.hostname
            and c.device_key = n.device_key
            and c.sample_at = n.sample_at
            and (c.delivery_observed_at, c.delivery_id) = n.newest_delivery
    group by c.hostname, c.device_key, c.sample_at
),

ratios as (
    select
        devices.*,
        coalesce(
            devices.gr_engine_active * factors.gr_engine_active,
            case when devices.mig_profile = '' then devices.gpu_util * factors.gpu_util end
        ) as busy_ratio,
        devices.tensor_active * factors.tensor_active as achieved_ratio,
        devices.fb_used * factors.fb_used as memory_used_bytes,
        devices.power_usage * factors.power_usage as power_watts,
        devices.total_energy_consumption * factors.energy as energy_joules,
    from devices
    cross join factors
)

select
    hostname,
    device_key,
    sample_at,
    gpu_uuid,
    device_name,
    mig_profile,
    model_name,
    cadence_ms,
    -- not least(): it would turn an unknown ratio into a full one
    cast(round(case when busy_ratio > 1 then 1 else busy_ratio end * 1000000) as bigint) as busy_ppm,
    case
        when gr_engine_active is not null then 'gr_engine_active'
        when busy_ratio is not null then 'gpu_util'
        else ''
    end as utilization_source,
    cast(round(case when achieved_ratio > 1 then 1 else achieved_ratio end * 1000000) as bigint) as achieved_ppm,
    cast(round(memory_used_bytes) as bigint) as memory_used_bytes,
    cast(round(power_watts * 1000) as bigint) as power_milliwatts,
    cast(round(energy_joules * 1000) as bigint) as energy_millijoules,
    cast(round(gpu_temp) as integer) as temperature_celsius,
    nullif(cast(round(memory_temp) as integer), 0) as memory_temperature_celsius,
    cast(xid_errors as integer) as xid_code,
    cast(ecc_dbe_volatile as bigint) as uncorrected_error_count,
    case when first_owner_id <> last_owner_id then null else coalesce(first_owner_id, '') end
        as owner_id,
    coalesce(busy_ratio > 1.005 or achieved_ratio > 1.005, false) as is_scale_suspect,
    is_time_guessed,
from ratios
