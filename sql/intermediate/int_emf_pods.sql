-- int_emf_pods: owner and labels of each pod that Container Insights' log events name, by UTC hour.
-- grain:  usage_hour_at, instance_id, namespace, pod_name
-- column: usage_hour_at | UTC hour
-- column: instance_id | EC2 instance
-- column: namespace | Kubernetes namespace
-- column: pod_name | full name of the pod
-- column: owner_kind | kind of the owner in lower case, like deployment, '' where none
-- column: owner_name | its name, '' where none
-- column: labels | labels of the pod, JSON object
-- check:  fail | owner_name <> '' or labels <> '{}' | a row says something of its pod
-- window: usage_hour_at
-- lookback: 1 hour

with told as (
    select
        *,
        -- what ends on the hour happened before it
        date_trunc('hour', sample_at - interval 1 millisecond) as usage_hour_at,
    from stg_emf_pods
    where sample_at >= $start_at and sample_at < $end_at + interval 1 hour and (owner_name <> '' or labels <> '{}')
)

select
    usage_hour_at,
    host as instance_id,
    namespace,
    pod_name,
    lower(arg_max(owner_kind, (sample_at, owner_name, owner_kind))) as owner_kind,
    arg_max(owner_name, (sample_at, owner_name, owner_kind)) as owner_name,
    arg_max(labels, (sample_at, labels)) as labels,
from told
where usage_hour_at >= $start_at and usage_hour_at < $end_at
group by usage_hour_at, host, namespace, pod_name
