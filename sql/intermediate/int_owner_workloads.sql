-- int_owner_workloads: the workload that each owner on each instance is, and the rule that says so.
-- grain:  usage_hour_at, instance_id, owner_id
-- column: usage_hour_at | UTC hour
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: owner_id | owner: kind and its parts, separated by the unit separator
-- column: workload_id | cluster/namespace/kind/name, '-' for unknown parts
-- column: workload | name of the workload
-- column: kind | kind of workload, '-' where unknown
-- column: cluster | cluster, '-' where unknown
-- column: namespace | Kubernetes namespace, '-' where none
-- column: team | owning team, '' where no rule names one
-- column: cost_center | cost center, '' where no rule names one
-- column: attribution_rule | rule:<n>, pod_name, slurm or runtime_tag
-- check:  fail | workload_id like '%/%/%/%' | a workload id has four parts
-- window: usage_hour_at

with owners as (
    select distinct
        usage_hour_at,
        instance_id,
        owner_id,
    from int_holdings
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

identities as (
    select distinct
        o.instance_id,
        o.owner_id,
        coalesce(i.cluster, '-') as cluster,
        coalesce(i.tags, '{}') as tags,
        split_part(o.owner_id, chr(31), 1) as owner_kind,
        split_part(o.owner_id, chr(31), 2) as part_1,
        split_part(o.owner_id, chr(31), 3) as part_2,
        split_part(o.owner_id, chr(31), 4) as part_3,
    from owners as o
    left join int_instances as i using (instance_id)
),

parsed as (
    select
        instance_id,
        owner_id,
        cluster,
        tags,
        case when owner_kind = 'pod' then part_1 else '' end as namespace,
        case when owner_kind = 'pod' then part_2 else '' end as pod,
        case when owner_kind = 'pod' then part_3 else '' end as container,
        case when owner_kind = 'slurm' then part_1 else '' end as hpc_job,
        case when owner_kind = 'tag' then part_1 else '' end as runtime_tag,
        case owner_kind when 'pod' then 'pod_name' when 'slurm' then 'slurm' else 'runtime_tag' end as fallback_rule,
        case owner_kind when 'slurm' then 'slurm' else '-' end as fallback_kind,
        case
            when owner_kind <> 'pod' then part_1
            -- suffixes that Kubernetes adds, in its own alphabet: ReplicaSet, indexed Job, Job, ordinal
            when regexp_matches(part_2, '.-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$')
                then regexp_replace(part_2, '-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$', '')
            when regexp_matches(part_2, '.-\d+-[bcdfghjklmnpqrstvwxz2456789]{5}$')
                then regexp_replace(part_2, '-\d+-[bcdfghjklmnpqrstvwxz2456789]{5}$', '')
            when regexp_matches(part_2, '.-[bcdfghjklmnpqrstvwxz2456789]{5}$')
                then regexp_replace(part_2, '-[bcdfghjklmnpqrstvwxz2456789]{5}$', '')
            else regexp_replace(part_2, '(.)-\d+$', '\1')
        end as fallback_name,
    from identities
),

matched as (
    select
        p.instance_id,
        p.owner_id,
        min(r.rule_number) as rule_number,
    from parsed as p
    join stg_workload_rules as r
        on
            regexp_matches(p.cluster, r.cluster_pattern)
            and regexp_matches(p.namespace, r.namespace_pattern)
            and regexp_matches(p.pod, r.pod_pattern)
            and regexp_matches(p.container, r.container_pattern)
            and regexp_matches(p.hpc_job, r.hpc_job_pattern)
            and regexp_matches(p.runtime_tag, r.runtime_tag_pattern)
            and (
                r.instance_tag_key = ''
                or regexp_matches(
                    json_extract_string(p.tags, '$."' || r.instance_tag_key || '"'), r.instance_tag_pattern
                )
            )
    group by p.instance_id, p.owner_id
),

named as (
    select
        p.*,
        r.rule_number,
        coalesce(nullif(r.workload, ''), p.fallback_name) as workload,
        coalesce(nullif(r.kind, ''), p.fallback_kind) as kind,
        coalesce(nullif(p.namespace, ''), '-') as shown_namespace,
        coalesce(r.team, '') as team,
        coalesce(r.cost_center, '') as cost_center,
        r.workload <> '' as is_named_by_rule,
    from parsed as p
    left join matched as m using (instance_id, owner_id)
    left join stg_workload_rules as r on m.rule_number = r.rule_number
)

select
    o.usage_hour_at,
    o.instance_id,
    o.owner_id,
    concat_ws('/', n.cluster, n.shown_namespace, n.kind, n.workload) as workload_id,
    n.workload,
    n.kind,
    n.cluster,
    n.shown_namespace as namespace,
    n.team,
    n.cost_center,
    case when n.is_named_by_rule then 'rule:' || n.rule_number else n.fallback_rule end as attribution_rule,
from owners as o
join named as n using (instance_id, owner_id)
