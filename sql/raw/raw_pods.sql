-- raw_pods: Kubernetes pods as a listing showed them (kubectl get pods -o json).
-- grain:  delivery_id, observed_at, namespace, pod, created_at
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: observed_at | when the listing was made
-- column: instance_id | EC2 instance the pod runs on, '' when only the node's name is told
-- column: node_name | node the pod runs on, '' while it waits for one
-- column: namespace | Kubernetes namespace
-- column: pod | pod name
-- column: created_at | when the pod was created
-- column: owner_kind | kind of the controller that owns it (ReplicaSet, Job …), '' when it has none
-- column: owner_name | name of that controller, '' when it has none
-- column: labels | JSON object key to value, keys sorted
-- column: started_at | when the node took it on, NULL where not told
-- column: ended_at | when its last container ended, NULL while it runs or where not told
-- column: cpu_request_millicores | thousandths of a vCPU it reserves; NULL where the listing was read before requests were
-- column: memory_request_bytes | memory it reserves
-- column: gpu_request_count | whole GPUs it reserves; NULL where it asks for replicas of shared ones
-- column: mig_slice_request_count | compute slices of MIG instances it reserves
-- column: neuron_device_request_count | Neuron devices it reserves
-- column: neuron_core_request_count | logical NeuronCores it reserves
-- column: outcome | waiting, running, completed, preempted (also evicted) or failed; '' where unknown, NULL where the listing was read before it was told
-- check:  fail | pod <> '' | a pod has a name
-- window: observed_at
create table if not exists raw_pods (
    delivery_id uuid,
    observed_at timestamptz,
    instance_id varchar,
    node_name varchar,
    namespace varchar,
    pod varchar,
    created_at timestamptz,
    owner_kind varchar,
    owner_name varchar,
    labels varchar,
    started_at timestamptz,
    ended_at timestamptz,
    cpu_request_millicores bigint,
    memory_request_bytes bigint,
    gpu_request_count bigint,
    mig_slice_request_count bigint,
    neuron_device_request_count bigint,
    neuron_core_request_count bigint,
    outcome varchar
);
