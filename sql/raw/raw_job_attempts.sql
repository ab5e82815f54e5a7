-- raw_job_attempts: attempts of jobs as schedulers tell them: when each was submitted, ran and ended, and how.
-- grain:  delivery_id, line_number
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: line_number | line of the file, from 1
-- column: submitted_at | since when it wanted to run
-- column: start_at | when it began to run, NULL while it waits or where it never ran
-- column: end_at | when it ended, NULL while it waits or runs
-- column: known_until_at | its end, else when the file was told
-- column: cluster | cluster, '' where not told
-- column: namespace | Kubernetes namespace, '' where not told
-- column: pod | pod, '' where not told
-- column: hpc_job | Slurm job, '' where not told
-- column: outcome | completed, failed, preempted, restarted, cancelled, running or waiting
-- column: device_count | accelerators it asks for, NULL where not told
-- check:  fail | (pod = '') <> (hpc_job = '') | an attempt that names nobody is a reject
-- check:  fail | outcome in ('completed', 'failed', 'preempted', 'restarted', 'cancelled', 'running', 'waiting') | no other outcome exists
-- check:  fail | known_until_at >= submitted_at and coalesce(start_at, submitted_at) >= submitted_at and coalesce(end_at, start_at, submitted_at) >= coalesce(start_at, submitted_at) | time runs forward
-- window: submitted_at
create table if not exists raw_job_attempts (
    delivery_id uuid,
    line_number bigint,
    submitted_at timestamptz,
    start_at timestamptz,
    end_at timestamptz,
    known_until_at timestamptz,
    cluster varchar,
    namespace varchar,
    pod varchar,
    hpc_job varchar,
    outcome varchar,
    device_count bigint
);
