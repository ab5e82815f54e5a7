-- stg_job_attempts: every attempt of a job, as the newest delivery tells it.
-- grain:  job_key, cluster, submitted_at
-- column: job_key | pod or Slurm job as owners are named: kind and its parts, separated by the unit separator
-- column: cluster | cluster, '' where not told
-- column: submitted_at | since when it wanted to run
-- column: start_at | when it began to run, NULL while it waits or where it never ran
-- column: end_at | when it ended, NULL while it waits or runs
-- column: known_until_at | its end, else until when it was known to wait or run
-- column: outcome | completed, failed, preempted, restarted, cancelled, running or waiting
-- column: device_count | accelerators it asks for, NULL where not told
-- check:  fail | coalesce(start_at, submitted_at) >= submitted_at | nothing runs before it is asked for
-- window: submitted_at

with named as (
    select
        a.*,
        case
            when a.pod <> '' then concat_ws(chr(31), 'pod', a.namespace, a.pod)
            else concat_ws(chr(31), 'slurm', a.hpc_job)
        end as job_key,
        d.delivered_at,
    from raw_job_attempts as a
    join raw_deliveries as d using (delivery_id)
    where a.submitted_at >= $start_at and a.submitted_at < $end_at
)

select
    job_key,
    cluster,
    submitted_at,
    start_at,
    end_at,
    known_until_at,
    outcome,
    device_count,
from named
qualify row_number() over (
    partition by job_key, cluster, submitted_at
    order by delivered_at desc, delivery_id desc, line_number desc
) = 1
