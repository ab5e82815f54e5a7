-- raw_neuron_cores: what each Neuron runtime said of each logical core.
-- grain:  delivery_id, report_number, pid, runtime_tag, core_index
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: report_number | position of the report in its object, from 1
-- column: sample_at | end of the interval the report stands for
-- column: instance_id | EC2 instance, '' when the report does not say
-- column: pid | process of the runtime
-- column: runtime_tag | NEURON_PROCESS_TAG, or the pid as text
-- column: core_index | logical core, counted over the node
-- column: utilization_percent | share of the period executing, 0-100, NULL when not reported
-- column: flops | FLOP per second over the period, NULL when not reported
-- column: memory_used_bytes | device memory of this runtime on this core, NULL when not reported
-- column: loaded_model_count | models this runtime holds on this core
-- check:  fail | core_index >= 0 | cores are counted from 0
-- window: sample_at
create table if not exists raw_neuron_cores (
    delivery_id uuid,
    report_number bigint,
    sample_at timestamptz,
    instance_id varchar,
    pid bigint,
    runtime_tag varchar,
    core_index integer,
    utilization_percent double,
    flops double,
    memory_used_bytes bigint,
    loaded_model_count integer
);
