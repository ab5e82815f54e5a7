-- int_core_samples: what suppliers other than neuron-monitor say of each NeuronCore: one row per supplier, core and period.
-- grain:  source, account_id, region, cluster, instance_id, core_index, sample_at
-- column: source | supplier: emf, neuron_prometheus, prometheus_api, cloudwatch or metric_stream
-- column: account_id | account the figures were read in, '' where the supplier does not say
-- column: region | AWS region, '' where the supplier does not say
-- column: cluster | cluster, '' where the supplier does not say
-- column: instance_id | EC2 instance id
-- column: instance_type | EC2 instance type
-- column: device_index | Neuron device
-- column: core_index | logical core, numbered over the whole instance
-- column: sample_at | end of the period
-- column: cadence_ms | period, milliseconds
-- column: busy_ppm | parts per million of the period that the core executed
-- column: memory_used_bytes | device memory in use by the core
-- column: flag_bits | quality flags: 1 attribution_unreliable, 8 scale_suspect, 128 synthetic_zero_suspect, 256 time_guessed
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a core cannot work more than all of the time
-- check:  fail | cadence_ms > 0 | a sample must stand for some time
-- window: sample_at

select
    source,
    account_id,
    region,
    cluster,
    host as instance_id,
    instance_type,
    device_index,
    core_index,
    sample_at,
    period_ms as cadence_ms,
    busy_ppm,
    memory_used_bytes,
    case when is_scale_suspect then 8 else 0 end as flag_bits,
from stg_cloudwatch_cores
where sample_at >= $start_at and sample_at < $end_at
