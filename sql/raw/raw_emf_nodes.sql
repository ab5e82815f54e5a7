-- raw_emf_nodes: executions and their errors on each node, as Container Insights' log events tell them (Type NodeAWSNeuron).
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
-- column: error_count | execution errors of all kinds since the event before, NULL when not reported
-- column: generic_error_count | of them generic
-- column: numerical_error_count | of them numerical
-- column: transient_error_count | of them transient
-- column: model_error_count | of them model
-- column: runtime_error_count | of them runtime
-- column: hardware_error_count | of them hardware
-- column: completed_count | executions with status completed since the event before, NULL when not reported
-- column: completed_with_err_count | executions with status completed_with_err since the event before, NULL when not reported
-- column: completed_with_num_err_count | executions with status completed_with_num_err since the event before, NULL when not reported
-- column: timed_out_count | executions with status timed_out since the event before, NULL when not reported
-- column: incorrect_input_count | executions with status incorrect_input since the event before, NULL when not reported
-- column: failed_to_queue_count | executions with status failed_to_queue since the event before, NULL when not reported
-- column: latency_seconds | median of the total latency of one runtime: no figure of the node
-- column: runtime_memory_used_bytes | device memory as the agent tells it: of one runtime where several run, far too low
-- check:  fail | error_count is null or error_count >= 0 | a count is never negative
-- window: sample_at
create table if not exists raw_emf_nodes (
    delivery_id uuid,
    event_number bigint,
    account_id varchar,
    sample_at timestamptz,
    region varchar,
    cluster varchar,
    instance_id varchar,
    instance_type varchar,
    node_name varchar,
    error_count bigint,
    generic_error_count bigint,
    numerical_error_count bigint,
    transient_error_count bigint,
    model_error_count bigint,
    runtime_error_count bigint,
    hardware_error_count bigint,
    completed_count bigint,
    completed_with_err_count bigint,
    completed_with_num_err_count bigint,
    timed_out_count bigint,
    incorrect_input_count bigint,
    failed_to_queue_count bigint,
    latency_seconds double,
    runtime_memory_used_bytes bigint
);
