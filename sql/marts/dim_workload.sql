-- dim_workload: every workload that held an accelerator, had its work counted, asked for part of an instance or stands on the bill by itself, and how we know.
-- grain:  workload_id
-- column: workload_id | cluster/namespace/kind/name, '-' for unknown parts
-- column: workload | name
-- column: team | owning team, the newest where it changed, '' where nothing names one
-- column: kind | kind of workload, '-' where unknown
-- column: cluster | cluster, '-' where unknown
-- column: namespace | Kubernetes namespace, '-' where none
-- column: cost_center | cost center, the newest where it changed, '' where nothing names one
-- column: attribution_rule | rule:<n> of workloads.toml, owner, pod_name, slurm or runtime_tag; of a line of the bill tag, arn or usage_type
-- column: first_seen_at | first hour in which it did
-- column: last_seen_at | last hour in which it did
-- check:  fail | workload <> '' | a workload has a name
-- check:  warn | team <> '' | a workload without a team cannot be charged: add a rule to workloads.toml

select
    workload_id,
    max(workload) as workload,
    arg_max(team, (team <> '', usage_hour_at, team)) as team,
    max(kind) as kind,
    max(cluster) as cluster,
    max(namespace) as namespace,
    arg_max(cost_center, (cost_center <> '', usage_hour_at, cost_center)) as cost_center,
    max(attribution_rule) as attribution_rule,
    min(usage_hour_at) as first_seen_at,
    max(usage_hour_at) as last_seen_at,
from (
    select * exclude (instance_id, owner_id)
    from int_owner_workloads
    union all by name
    select * exclude (cost_line_id)
    from int_line_workloads
)
group by workload_id
