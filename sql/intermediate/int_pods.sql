-- int_pods: what is known of each pod name on each instance: owning workload and labels, from its newest life.
-- grain:  instance_id, namespace, pod
-- column: instance_id | EC2 instance, '' where the node's host is unknown
-- column: namespace | Kubernetes namespace
-- column: pod | pod name
-- column: controller_kind | kind of the owning workload in lower case; '' without controller
-- column: controller_name | name of the owning workload; '' without controller
-- column: labels | JSON object of the pod's labels
-- column: valid_from_at | when the first pod of that name was created
-- check:  fail | pod <> '' | a pod has a name

with placed as (
    select
        p.*,
        coalesce(nullif(p.instance_id, ''), h.instance_id, '') as placed_id,
    from stg_pods as p
    left join int_hosts as h
        on p.node_name = h.hostname and p.created_at >= h.valid_from_at and p.created_at < h.valid_until_at
)

select
    placed_id as instance_id,
    namespace,
    pod,
    arg_max(owner_kind, (created_at, node_key)) as controller_kind,
    arg_max(owner_name, (created_at, node_key)) as controller_name,
    arg_max(labels, (created_at, node_key)) as labels,
    min(created_at) as valid_from_at,
from placed
group by placed_id, namespace, pod
