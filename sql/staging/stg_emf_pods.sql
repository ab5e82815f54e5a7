-- stg_emf_pods: which pod and container held each NeuronCore in each minute, as Container Insights' log events tell it.
-- grain:  host, core_index, namespace, pod_name, container_name, sample_at
-- column: host | EC2 instance id
-- column: core_index | logical core, numbered over the whole instance
-- column: namespace | Kubernetes namespace
-- column: pod_name | full name of the pod
-- column: container_name | container; '' where only the pod is told
-- column: sample_at | end of the minute that holds the event
-- column: busy_ppm | parts per million of the sampled period that the core executed for this container
-- column: owner_kind | kind of the pod's owner, like Deployment, '' where none
-- column: owner_name | name of the pod's owner, '' where none
-- column: labels | labels of the pod, JSON object
-- check:  fail | pod_name <> '' | an owner has a name
-- check:  fail | busy_ppm is null or busy_ppm between 0 and 1000000 | a core cannot work more than all of the time
-- window: sample_at
-- lookback: 1 minute

with newest as (
    select
        o.*,
        make_timestamptz((epoch_us(o.sample_at) // 60000000 + 1) * 60000000) as minute_end_at,
        -- a pod's own event repeats what its containers say
        max(o.container_name) over (
            partition by o.instance_id, o.core_index, o.namespace, o.pod_name, epoch_us(o.sample_at) // 60000000
        ) as last_container_name,
    from raw_emf_owners as o
    join raw_deliveries as d using (delivery_id)
    where o.sample_at >= $start_at - interval 1 minute and o.sample_at < $end_at
    qualify row_number() over (
        partition by
            o.instance_id, o.core_index, o.namespace, o.pod_name, o.container_name, epoch_us(o.sample_at) // 60000000
        order by
            d.observed_at desc, o.sample_at desc, delivery_id desc, o.utilization_percent desc nulls last,
            o.owner_name desc, o.owner_kind desc, o.labels desc
    ) = 1
)

select
    instance_id as host,
    core_index,
    namespace,
    pod_name,
    container_name,
    minute_end_at as sample_at,
    cast(
        round(case when utilization_percent > 100 then 100 when utilization_percent >= 0 then utilization_percent end * 10000)
        as bigint
    ) as busy_ppm,
    owner_kind,
    owner_name,
    labels,
from newest
where
    minute_end_at >= $start_at
    and minute_end_at < $end_at
    and (container_name <> '' or last_container_name = '')
