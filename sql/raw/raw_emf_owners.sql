-- raw_emf_owners: which pod or container Container Insights' log events saw on each NeuronCore, with its labels and owner.
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
-- column: device_index | Neuron device, NULL where the event does not say
-- column: core_index | logical core, counted over the node
-- column: namespace | Kubernetes namespace
-- column: pod_name | full name of the pod
-- column: container_name | container; '' in an event of the whole pod (Type PodAWSNeuronCore)
-- column: owner_kind | kind of the first of pod_owners, like Deployment, '' where none
-- column: owner_name | its name
-- column: labels | labels of the pod, JSON object with sorted keys
-- column: utilization_percent | share of the sampled period that the core executed, 0-100, NULL when not reported
-- column: memory_used_bytes | device memory in use on this core, NULL when not reported
-- check:  fail | core_index >= 0 | cores are counted from 0
-- window: sample_at
create table if not exists raw_emf_owners (
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
    core_index integer,
    namespace varchar,
    pod_name varchar,
    container_name varchar,
    owner_kind varchar,
    owner_name varchar,
    labels varchar,
    utilization_percent double,
    memory_used_bytes bigint
);
