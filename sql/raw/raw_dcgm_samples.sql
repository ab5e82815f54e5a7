-- raw_dcgm_samples: dcgm-exporter samples, wide, in the supplier's own units.
-- grain:  delivery_id, sample_at, hostname, gpu_index, device, gpu_uuid, gpu_instance_id, pod, namespace, container, pod_uid, hpc_job
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: sample_at | end of the interval the sample stands for
-- column: cadence_ms | usual distance of samples, 30000 unless --interval says otherwise
-- column: hostname | Hostname or hostname label, '' when absent
-- column: gpu_index | label gpu: index on the host, not stable over reboots
-- column: device | label device, like nvidia0
-- column: gpu_uuid | UUID of the physical GPU; under MIG the parent's
-- column: gpu_instance_id | label GPU_I_ID of a MIG instance, '' for a whole GPU
-- column: gpu_instance_profile | label GPU_I_PROFILE, like 3g.40gb
-- column: model_name | label modelName, as printed
-- column: pod | owner pod (exported_pod before pod), '' when nobody is named
-- column: namespace | owner namespace
-- column: container | owner container
-- column: pod_uid | owner pod's uid
-- column: hpc_job | owner job of a Slurm-like scheduler
-- column: gpu_util | percent 0-100 (field 203)
-- column: gr_engine_active | ratio 0-1 (field 1001)
-- column: sm_active | ratio 0-1 (field 1002)
-- column: sm_occupancy | ratio 0-1 (field 1003)
-- column: tensor_active | ratio 0-1 (field 1004)
-- column: dram_active | ratio 0-1 (field 1005)
-- column: mem_copy_util | percent 0-100 (field 204)
-- column: power_usage | watts (field 155)
-- column: total_energy_consumption | millijoules since driver load (field 156)
-- column: gpu_temp | degrees Celsius (field 150)
-- column: memory_temp | degrees Celsius (field 140); 0 where unsupported
-- column: fb_used | MiB (field 252)
-- column: fb_free | MiB (field 251)
-- column: fb_reserved | MiB (field 253)
-- column: fb_total | MiB (field 250)
-- column: xid_errors | last XID code, sticky (field 230)
-- column: xid_errors_count | XIDs in the exporter's window
-- column: ecc_dbe_volatile | double-bit errors since driver load (field 311)
-- column: ecc_sbe_volatile | single-bit errors since driver load (field 310)
-- check:  fail | cadence_ms > 0 | a sample must stand for some time
-- window: sample_at
create table if not exists raw_dcgm_samples (
    delivery_id uuid,
    sample_at timestamptz,
    cadence_ms bigint,
    hostname varchar,
    gpu_index varchar,
    device varchar,
    gpu_uuid varchar,
    gpu_instance_id varchar,
    gpu_instance_profile varchar,
    model_name varchar,
    pod varchar,
    namespace varchar,
    container varchar,
    pod_uid varchar,
    hpc_job varchar,
    gpu_util double,
    gr_engine_active double,
    sm_active double,
    sm_occupancy double,
    tensor_active double,
    dram_active double,
    mem_copy_util double,
    power_usage double,
    total_energy_consumption double,
    gpu_temp double,
    memory_temp double,
    fb_used double,
    fb_free double,
    fb_reserved double,
    fb_total double,
    xid_errors double,
    xid_errors_count double,
    ecc_dbe_volatile double,
    ecc_sbe_volatile double
);
