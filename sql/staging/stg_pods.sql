-- stg_pods: every Kubernetes pod as it was last seen, with the workload that its controller belongs to.
-- grain:  node_key, namespace, pod, created_at
-- column: node_key | instance id or node name the pod runs on
-- column: instance_id | EC2 instance where the listing or the node's name tells it, else ''
-- column: node_name | node the pod runs on
-- column: namespace | Kubernetes namespace
-- column: pod | pod name
-- column: created_at | when the pod was created
-- column: owner_kind | kind of the workload in lower case, a ReplicaSet's is deployment; '' without controller
-- column: owner_name | name of the workload without the hash of a ReplicaSet and the number of a Job; '' without controller
-- column: labels | JSON object of the pod's labels
-- column: started_at | when the node took it on, or it was created
-- column: seen_until_at | when it ended, or was last listed alive
-- column: has_ended | its end is told
-- column: cpu_request_millicores | thousandths of a vCPU it reserves; NULL where unknown
-- column: memory_request_bytes | memory it reserves; NULL where unknown
-- column: gpu_request_count | whole GPUs it reserves; NULL where unknown, or where it asks for replicas of shared ones
-- column: mig_slice_request_count | compute slices of MIG instances it reserves
-- column: neuron_device_request_count | Neuron devices it reserves
-- column: neuron_core_request_count | logical NeuronCores it reserves
-- check:  fail | (owner_kind = '') = (owner_name = '') | a controller has a kind and a name

with newest as (
    select
        *,
        json_extract_string(labels, '$."pod-template-hash"') as template_hash,
        coalesce(nullif(instance_id, ''), node_name) as node_key,
    from raw_pods
    where instance_id <> '' or node_name <> ''
    qualify row_number() over (
        partition by coalesce(nullif(instance_id, ''), node_name), namespace, pod, created_at
        order by observed_at desc, delivery_id desc
    ) = 1
)

select
    node_key,
    coalesce(
        nullif(instance_id, ''), regexp_extract(split_part(node_name, '.', 1), '^i-[0-9a-f]{8,17}$')
    ) as instance_id,
    node_name,
    namespace,
    pod,
    created_at,
    case
        when owner_name = '' then ''
        when owner_kind = 'ReplicaSet' and template_hash <> '' then 'deployment'
        else lower(owner_kind)
    end as owner_kind,
    case
        when owner_kind = 'ReplicaSet' and template_hash <> '' and ends_with(owner_name, '-' || template_hash)
            then left(owner_name, length(owner_name) - length(template_hash) - 1)
        when owner_kind = 'Job' then regexp_replace(owner_name, '(.)-\d+$', '\1')
        else owner_name
    end as owner_name,
    labels,
    greatest(created_at, coalesce(started_at, created_at)) as started_at,
    coalesce(ended_at, observed_at) as seen_until_at,
    ended_at is not null as has_ended,
    cpu_request_millicores,
    memory_request_bytes,
    gpu_request_count,
    mig_slice_request_count,
    neuron_device_request_count,
    neuron_core_request_count,
from newest
