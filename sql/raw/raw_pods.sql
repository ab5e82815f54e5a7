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
    labels varchar
);
