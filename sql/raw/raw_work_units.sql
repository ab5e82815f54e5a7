-- raw_work_units: tokens, steps and requests as files count them.
-- grain:  delivery_id, line_number
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: line_number | line of the file, from 1
-- column: start_at | start of the time in which they were done
-- column: end_at | its end, exclusive; a microsecond later for a single moment
-- column: cluster | cluster, '' where not told
-- column: namespace | Kubernetes namespace, '' where not told
-- column: pod | pod, '' where not told
-- column: container | container, '' where not told
-- column: hpc_job | Slurm job, '' where not told
-- column: runtime_tag | Neuron runtime tag, '' where not told
-- column: instance_id | EC2 instance, '' where not told
-- column: unit | prompt_tokens, output_tokens, requests, steps, checkpoints, epochs or runs
-- column: units | how many
-- column: software | what did them, with its version; '' where not told, NULL where the file was read before it could be told
-- column: latency_p95_ms | 95th percentile of the latency of these requests, milliseconds; NULL where not told
-- check:  fail | units >= 0 | work is not undone
-- check:  fail | end_at > start_at | work takes time
-- check:  fail | pod <> '' or hpc_job <> '' or runtime_tag <> '' | work that names nobody is a reject
-- check:  fail | latency_p95_ms is null or (unit = 'requests' and latency_p95_ms > 0) | only requests take time to answer
-- window: start_at
create table if not exists raw_work_units (
    delivery_id uuid,
    line_number bigint,
    start_at timestamptz,
    end_at timestamptz,
    cluster varchar,
    namespace varchar,
    pod varchar,
    container varchar,
    hpc_job varchar,
    runtime_tag varchar,
    instance_id varchar,
    unit varchar,
    units bigint,
    software varchar,
    latency_p95_ms decimal(18, 3)
);
