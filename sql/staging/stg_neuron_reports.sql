-- stg_neuron_reports: one row per neuron-monitor report, the newest delivery of each instant.
-- grain:  instance_id, sample_at
-- column: instance_id | EC2 instance id
-- column: sample_at | end of the interval that the report covers
-- column: instance_type | EC2 instance type
-- column: region | AWS region
-- column: device_count | Neuron devices of the instance
-- column: cores_per_device | logical NeuronCores of one device (LNC applied)
-- column: device_memory_bytes | memory of one device; NULL where the report does not say
-- column: cadence_ms | sampling period of the system groups, milliseconds
-- column: runtime_count | runtimes in the report
-- column: has_counter_errors | the core counters of a runtime failed or are not collected: what its cores did is unknown
-- column: is_short_period | a runtime group covered less than half the cadence
-- column: is_time_guessed | the time came from a file's modification time
-- column: delivery_id | delivery that speaks for this instant
-- column: report_number | its report
-- check:  fail | cores_per_device > 0 | a device without cores cannot be busy
-- check:  fail | cadence_ms > 0 | a report stands for some time
-- window: sample_at

select
    r.instance_id,
    r.sample_at,
    r.instance_type,
    r.region,
    r.device_count,
    r.cores_per_device,
    r.device_memory_bytes,
    r.cadence_ms,
    r.runtime_count,
    r.counter_error_count > 0 as has_counter_errors,
    r.short_period as is_short_period,
    d.time_guessed as is_time_guessed,
    delivery_id,
    r.report_number,
from raw_neuron_reports as r
join raw_deliveries as d using (delivery_id)
where r.sample_at >= $start_at and r.sample_at < $end_at
qualify row_number() over (
    partition by r.instance_id, r.sample_at
    order by d.observed_at desc, delivery_id desc, r.report_number desc
) = 1
