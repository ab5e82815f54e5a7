-- raw_neuron_exporter_events: ECC counters of neuron-monitor-prometheus, as printed.
-- grain:  delivery_id, sample_at, host, device_index, event_type
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: sample_at | time of the scrape, or end of the step of a range query
-- column: cadence_ms | usual distance of samples: 30000 unless --interval says otherwise; the step of a range query
-- column: host | label instance_id, else the node's name
-- column: device_index | device, from 0
-- column: event_type | kind of event, like mem_ecc_corrected
-- column: event_count | the counter: the exporter adds the figure of each report to it, and that figure may itself be a running count; so it is kept, and no error is counted from it
-- check:  fail | device_index >= 0 | devices are counted from 0
-- window: sample_at
create table if not exists raw_neuron_exporter_events (
    delivery_id uuid,
    sample_at timestamptz,
    cadence_ms bigint,
    host varchar,
    device_index integer,
    event_type varchar,
    event_count double
);
