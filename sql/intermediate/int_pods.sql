-- int_pods: what is known of each pod name on each instance: owning workload and labels, from its newest life; a pod listing speaks before log events.
-- grain:  instance_id, namespace, pod
-- column: instance_id | EC2 instance, '' where the node's host is unknown
-- column: namespace | Kubernetes namespace
-- column: pod | pod name
-- column: controller_kind | kind of the owning workload in lower case; '' without controller
-- column: controller_name | name of the owning workload; '' without controller
-- column: labels | JSON object of the pod's labels
-- column: valid_from_at | when the first pod of that name was created, log events first named it, or it first held anything: from there on its owner names its work
-- check:  fail | pod <> '' | a pod has a name

with placed as (
    select
        p.*,
        coalesce(nullif(p.instance_id, ''), h.instance_id, '') as placed_id,
    from stg_pods as p
    left join int_hosts as h
        on p.node_name = h.hostname and p.created_at >= h.valid_from_at and p.created_at < h.valid_until_at
),

told as (
    select
        placed_id,
        namespace,
        pod,
        created_at,
        node_key,
        owner_kind,
        owner_name,
        labels,
        true as is_listed,
    from placed
    union all
    select
        instance_id as placed_id,
        namespace,
        pod_name as pod,
        usage_hour_at as created_at,
        instance_id as node_key,
        owner_kind,
        owner_name,
        labels,
        false as is_listed,
    from int_emf_pods
),

-- a name names its owner in every hour, also before its newest life or the first log event: these hours change too
held as (
    select
        instance_id as placed_id,
        split_part(owner_id, chr(31), 2) as namespace,
        split_part(owner_id, chr(31), 3) as pod,
        min(usage_hour_at) as first_hour_at,
    from (
        select
            instance_id,
            owner_id,
            usage_hour_at,
        from int_holdings
        union all
        select
            instance_id,
            owner_id,
            usage_hour_at,
        from int_work_unit_hours
        union all
        select
            instance_id,
            owner_id,
            usage_hour_at,
        from int_pod_owners
    )
    where split_part(owner_id, chr(31), 1) = 'pod'
    group by instance_id, split_part(owner_id, chr(31), 2), split_part(owner_id, chr(31), 3)
)

select
    placed_id as instance_id,
    namespace,
    pod,
    arg_max(owner_kind, (is_listed, created_at, node_key)) as controller_kind,
    arg_max(owner_name, (is_listed, created_at, node_key)) as controller_name,
    arg_max(labels, (is_listed, created_at, node_key)) as labels,
    least(min(created_at), min(first_hour_at)) as valid_from_at,
from told
left join held using (placed_id, namespace, pod)
group by placed_id, namespace, pod
