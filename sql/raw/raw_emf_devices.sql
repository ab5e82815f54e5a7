-- raw_emf_devices: memory errors of each Neuron device, as Container Insights' log events tell them (Type NodeAWSNeuronDevice).
-- grain:  delivery_id, event_number
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: event_number | position of the event in its object, from 1
-- column: account_id | account of the log group, '' where the object does not say
-- column: sample_at | the agent's Timestamp, within the minute that the event stands for
-- column: region | AWS region, '' where the event does not say
-- column: cluster | ClusterName
-- column: instance_id | EC2 instance
-- column: instance_type | EC2 instance type
-- column: node_name | Kubernetes node
-- column: device_index | Neuron device
-- column: mem_ecc_corrected | events of this kind since the event before, NULL when not reported
-- column: mem_ecc_uncorrected | events of this kind since the event before, NULL when not reported
-- column: sram_ecc_corrected | events of this kind since the event before, NULL when not reported
-- column: sram_ecc_uncorrected | events of this kind since the event before, NULL when not reported
-- column: ecc_event_count | events of all kinds
-- check:  fail | device_index >= 0 | devices are counted from 0
-- window: sample_at
create table if not exists raw_emf_devices (
    delivery_id uuid,
    event_number bigint,
    account_id varchar,
    sample_at timestamptz,
    region varchar,
    cluster varchar,
    instance_id varchar,
    instance_type varchar,
    node_name varchar,
    device_index integer,
    mem_ecc_corrected bigint,
    mem_ecc_uncorrected bigint,
    sram_ecc_corrected bigint,
    sram_ecc_uncorrected bigint,
    ecc_event_count bigint
);
