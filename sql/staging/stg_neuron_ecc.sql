-- stg_neuron_ecc: uncorrected memory errors counted by each Neuron device.
-- grain:  delivery_id, report_number, device_index
-- column: delivery_id | delivery of the report
-- column: report_number | report within the delivery
-- column: device_index | Neuron device
-- column: sample_at | end of the interval that the report covers
-- column: uncorrected_error_count | running count of uncorrected memory and SRAM errors
-- check:  fail | uncorrected_error_count is null or uncorrected_error_count >= 0 | a count is never negative
-- window: sample_at

select
    delivery_id,
    report_number,
    device_index,
    any_value(sample_at) as sample_at,
    max(coalesce(mem_ecc_uncorrected + sram_ecc_uncorrected, mem_ecc_uncorrected, sram_ecc_uncorrected))
        as uncorrected_error_count,
from raw_neuron_devices
where sample_at >= $start_at and sample_at < $end_at
group by delivery_id, report_number, device_index
