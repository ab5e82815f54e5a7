-- stg_pod_attempts: every pod that asks for accelerators as an attempt: since when it wanted to run, ran, and how it ended.
-- grain:  job_key, submitted_at
-- column: job_key | the pod as owners are named: pod, namespace and name, separated by the unit separator
-- column: submitted_at | when the pod was created
-- column: start_at | when its node took it on, NULL while it waits for one
-- column: end_at | when it ended, NULL while it waits or runs
-- column: known_until_at | its end, else when it was last listed
-- column: outcome | waiting, running, completed, preempted or failed
-- column: device_count | GPUs or Neuron devices it asks for; NULL where it asks for parts of them
-- check:  fail | coalesce(start_at, submitted_at) >= submitted_at | nothing runs before it is asked for

with newest as (
    select *
    from raw_pods
    where
        outcome <> ''
        -- NULL: replicas of shared GPUs
        and (
            coalesce(gpu_request_count, 1) > 0
            or mig_slice_request_count > 0
            or neuron_device_request_count > 0
            or neuron_core_request_count > 0
        )
    qualify row_number() over (
        partition by namespace, pod, created_at order by observed_at desc, delivery_id desc
    ) = 1
)

select
    concat_ws(chr(31), 'pod', namespace, pod) as job_key,
    created_at as submitted_at,
    case when outcome <> 'waiting' and started_at is not null then greatest(started_at, created_at) end as start_at,
    case when ended_at is not null then greatest(ended_at, coalesce(started_at, created_at), created_at) end as end_at,
    greatest(coalesce(ended_at, observed_at), coalesce(started_at, created_at), created_at) as known_until_at,
    outcome,
    nullif(coalesce(gpu_request_count, 0) + neuron_device_request_count, 0) as device_count,
from newest
