-- stg_work_units: how much work each owner did in each stretch of time, by the newest delivery that counts it.
-- grain:  start_at, end_at, owner_id, instance_id, unit
-- column: start_at | start of the stretch
-- column: end_at | its end, exclusive; a microsecond later for a single moment
-- column: owner_id | owner: kind and its parts, separated by the unit separator; the fifth is the cluster where told
-- column: owner_key | the owner without container and cluster
-- column: cluster | cluster, '' where not told
-- column: instance_id | EC2 instance, '' where not told
-- column: unit | prompt_tokens, output_tokens, requests, steps, checkpoints, epochs or runs
-- column: units | how many
-- column: software | what did them, with its version; '' where not told
-- column: latency_p95_ms | 95th percentile of the latency of these requests; NULL where not told
-- check:  fail | units >= 0 | work is not undone
-- check:  fail | query: select r.delivery_id, r.line_number from raw_work_units as r
--     anti join stg_work_units as s using (start_at, end_at, instance_id, unit)
--     where r.start_at >= $start_at and r.start_at < $end_at | a line without its stretch would be lost
-- check:  warn | query: select * from (
--     select owner_id, instance_id, unit, end_at,
--         lead(start_at) over (partition by owner_id, instance_id, unit order by start_at, end_at) as next_at
--     from stg_work_units where start_at >= $start_at and start_at < $end_at
--     ) where next_at < end_at | stretches that overlap count the same work twice: deliver hours or days, not both
-- window: start_at

with owned as (
    select
        w.*,
        d.delivered_at,
        case
            when w.pod <> '' then concat_ws(chr(31), 'pod', w.namespace, w.pod)
            when w.hpc_job <> '' then concat_ws(chr(31), 'slurm', w.hpc_job)
            else concat_ws(chr(31), 'tag', w.runtime_tag)
        end as owner_key,
        case when w.pod <> '' then chr(31) || w.container else '' end as container_part,
        -- the cluster is the fifth part, whatever stands before it
        case
            when w.cluster = '' then ''
            when w.pod <> '' then chr(31) || w.cluster
            else repeat(chr(31), 3) || w.cluster
        end as cluster_part,
    from raw_work_units as w
    join raw_deliveries as d using (delivery_id)
    where w.start_at >= $start_at and w.start_at < $end_at
)

select
    start_at,
    end_at,
    owner_key || container_part || cluster_part as owner_id,
    owner_key,
    cluster,
    instance_id,
    unit,
    units,
    coalesce(software, '') as software,
    latency_p95_ms,
from owned
qualify row_number() over (
    partition by start_at, end_at, owner_key, container_part, cluster_part, instance_id, unit
    order by delivered_at desc, delivery_id desc, line_number desc
) = 1
