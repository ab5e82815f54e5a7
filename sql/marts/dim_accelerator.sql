-- dim_accelerator: every accelerator ever seen, as it was last seen.
-- grain:  accelerator_id
-- column: accelerator_id | GPU UUID ('/GI<id>' for a MIG instance) or <instance_id>/neuron<device>
-- column: device_id | physical device
-- column: logical_core_count | logical NeuronCores (LNC applied), 1 for a GPU
-- column: instance_id | EC2 instance it was last seen under, '' where the host is unknown
-- column: instance_type | EC2 instance type, '' where unknown
-- column: chip | chip
-- column: vendor | AWS or NVIDIA
-- column: account_id | owning account, '' where unknown
-- column: region | AWS region, '' where unknown
-- column: cluster | cluster, '-' where unknown
-- column: device_share_ratio | part of the physical device: 1, or compute slices over the device's slices under MIG
-- column: memory_bytes | device memory of the chip, bytes; NULL where unknown
-- column: peak_bf16_flops | dense BF16 FLOP/s of the chip; NULL where unknown
-- column: first_seen_at | first sample
-- column: last_seen_at | newest sample
-- check:  fail | last_seen_at >= first_seen_at | sightings run forward
-- check:  warn | chip <> 'other' | a chip that no seed names has no price and no peak

with seen as (
    select
        accelerator_id,
        arg_max(instance_id, (last_sample_at, instance_id)) as instance_id,
        min(first_sample_at) as first_seen_at,
        max(last_sample_at) as last_seen_at,
    from int_accelerator_hours
    group by accelerator_id
)

select
    a.accelerator_id,
    a.device_id,
    a.logical_core_count,
    a.instance_id,
    a.instance_type,
    a.chip,
    a.vendor,
    a.account_id,
    a.region,
    a.cluster,
    cast(a.slice_count / a.device_slice_count as decimal(9, 6)) as device_share_ratio,
    a.memory_bytes,
    a.peak_bf16_flops,
    s.first_seen_at,
    s.last_seen_at,
from seen as s
join int_accelerators as a using (accelerator_id, instance_id)
