-- int_job_attempts: every attempt of a job that a scheduler told of, and how long it waited and ran.
-- grain:  replica_kind, replica, told_cluster, submitted_at
-- column: replica_kind | pod or slurm
-- column: replica | namespace/pod or Slurm job, as in fct_replica_cost_hourly
-- column: told_cluster | cluster, '' where not told
-- column: submitted_at | since when it wanted to run
-- column: start_at | when it began to run, NULL while it waits or where it never ran
-- column: run_until_at | when it ended, or until when it is known to run; NULL where it never ran
-- column: wait_until_at | when its waiting ended: it started, was given up, or is known to wait until then
-- column: outcome | completed, failed, preempted, restarted, cancelled, running or waiting
-- column: device_count | accelerators it asks for, NULL where not told
-- column: is_listed | told by a pod listing: every attempt is a pod of its own, also where names repeat
-- check:  fail | wait_until_at >= submitted_at and coalesce(run_until_at >= start_at, true) | time runs forward

-- of a pod whose attempts are told one by one, a listing knows less
with told as (
    select
        job_key,
        cluster,
        submitted_at,
        start_at,
        known_until_at,
        outcome,
        device_count,
        false as is_listed,
    from stg_job_attempts
    union all
    select
        p.job_key,
        '' as cluster,
        p.submitted_at,
        p.start_at,
        p.known_until_at,
        p.outcome,
        p.device_count,
        true as is_listed,
    from stg_pod_attempts as p
    where p.job_key not in (select a.job_key from stg_job_attempts as a)
)

select
    split_part(job_key, chr(31), 1) as replica_kind,
    case split_part(job_key, chr(31), 1)
        when 'pod' then split_part(job_key, chr(31), 2) || '/' || split_part(job_key, chr(31), 3)
        else split_part(job_key, chr(31), 2)
    end as replica,
    cluster as told_cluster,
    submitted_at,
    start_at,
    case when start_at is not null then known_until_at end as run_until_at,
    coalesce(start_at, known_until_at) as wait_until_at,
    outcome,
    device_count,
    is_listed,
from told
