-- raw_neuron_devices: error counters of each Neuron device.
-- grain:  delivery_id, report_number, device_index
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: report_number | position of the report in its object, from 1
-- column: sample_at | end of the interval the report stands for
-- column: instance_id | EC2 instance, '' when the report does not say
-- column: device_index | device, from 0
-- column: mem_ecc_corrected | corrected memory errors
-- column: mem_ecc_uncorrected | uncorrected memory errors
-- column: sram_ecc_corrected | corrected SRAM errors
-- column: sram_ecc_uncorrected | uncorrected SRAM errors
-- check:  fail | device_index >= 0 | devices are counted from 0
-- window: sample_at
create table if not exists raw_neuron_devices (
    delivery_id uuid,
    report_number bigint,
    sample_at timestamptz,
    instance_id varchar,
    device_index integer,
    mem_ecc_corrected bigint,
    mem_ecc_uncorrected bigint,
    sram_ecc_corrected bigint,
    sram_ecc_uncorrected bigint
);
