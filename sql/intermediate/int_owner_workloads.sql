-- int_owner_workloads: the workload that each owner on each instance is, and the rule that says so.
-- grain:  usage_hour_at, instance_id, owner_id
-- column: usage_hour_at | UTC hour
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: owner_id | owner: kind and its parts, separated by the unit separator; the fifth is a cluster told with it
-- column: workload_id | cluster/namespace/kind/name, '-' for unknown parts
-- column: workload | name of the workload
-- column: kind | kind of workload, '-' where unknown
-- column: cluster | cluster, '-' where unknown
-- column: namespace | Kubernetes namespace, '-' where none
-- column: team | owning team, '' where no rule names one
-- column: cost_center | cost center, '' where no rule names one
-- column: attribution_rule | rule:<n>, owner, pod_name, slurm or runtime_tag
-- check:  fail | workload_id like '%/%/%/%' | a workload id has four parts
-- window: usage_hour_at

with owners as (
    select distinct
        usage_hour_at,
        instance_id,
        owner_id,
    from int_holdings
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    union
    select
        usage_hour_at,
        instance_id,
        owner_id,
    from int_work_unit_hours
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    union
    select
        usage_hour_at,
        instance_id,
        owner_id,
    from int_pod_owners
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

-- a tag that is renamed speaks from that hour on
tagged as (
    select
        o.*,
        coalesce(t.tags, '{}') as tags,
    from owners as o
    left join stg_instance_tags as t
        on
            o.instance_id = t.instance_id
            and (t.is_first or o.usage_hour_at >= t.valid_from_at)
            and (t.valid_until_at is null or o.usage_hour_at < t.valid_until_at)
),

identities as (
    select distinct
        o.instance_id,
        o.owner_id,
        o.tags,
        coalesce(nullif(i.cluster, '-'), nullif(split_part(o.owner_id, chr(31), 5), ''), '-') as cluster,
        coalesce(i.account_id, '') as account_id,
        split_part(o.owner_id, chr(31), 1) as owner_kind,
        split_part(o.owner_id, chr(31), 2) as part_1,
        split_part(o.owner_id, chr(31), 3) as part_2,
        split_part(o.owner_id, chr(31), 4) as part_3,
    from tagged as o
    left join int_instances as i using (instance_id)
),

parsed as (
    select
        f.instance_id,
        f.owner_id,
        f.cluster,
        f.tags,
        f.account_id,
        case when owner_kind = 'pod' then part_1 else '' end as namespace,
        case when owner_kind = 'pod' then part_2 else '' end as pod,
        case when owner_kind = 'pod' then part_3 else '' end as container,
        case when owner_kind = 'slurm' then part_1 else '' end as hpc_job,
        case when owner_kind = 'tag' then part_1 else '' end as runtime_tag,
        coalesce(p.labels, '{}') as labels,
        coalesce(p.controller_kind, '') as controller_kind,
        coalesce(p.controller_name, '') as controller_name,
        case when p.controller_name <> '' then p.controller_kind || '/' || p.controller_name else '' end as controller,
        case owner_kind when 'slurm' then 'slurm' else '-' end as fallback_kind,
        case
            when owner_kind <> 'pod' then ''
            -- suffixes that Kubernetes adds, in its own alphabet: ReplicaSet, indexed Job, Job, ordinal
            when regexp_matches(part_2, '.-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$')
                then regexp_replace(part_2, '-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$', '')
            when regexp_matches(part_2, '.-\d+-[bcdfghjklmnpqrstvwxz2456789]{5}$')
                then regexp_replace(part_2, '-\d+-[bcdfghjklmnpqrstvwxz2456789]{5}$', '')
            when regexp_matches(part_2, '.-[bcdfghjklmnpqrstvwxz2456789]{5}$')
                then regexp_replace(part_2, '-[bcdfghjklmnpqrstvwxz2456789]{5}$', '')
            else regexp_replace(part_2, '(.)-\d+$', '\1')
        end as pod_base_name,
    from identities as f
    left join int_pods as p
        on f.owner_kind = 'pod' and f.instance_id = p.instance_id and f.part_1 = p.namespace and f.part_2 = p.pod
),

-- which pattern of which rule matches; `chipledger workloads explain` shows it. Empty ones are not compiled: twice as fast
tried as (
    select
        p.instance_id,
        p.owner_id,
        p.tags,
        r.rule_number,
        r.cluster_pattern = '' or regexp_matches(p.cluster, r.cluster_pattern) as is_cluster,
        r.namespace_pattern = '' or regexp_matches(p.namespace, r.namespace_pattern) as is_namespace,
        r.pod_pattern = '' or regexp_matches(p.pod, r.pod_pattern) as is_pod,
        r.container_pattern = '' or regexp_matches(p.container, r.container_pattern) as is_container,
        r.hpc_job_pattern = '' or regexp_matches(p.hpc_job, r.hpc_job_pattern) as is_hpc_job,
        r.runtime_tag_pattern = '' or regexp_matches(p.runtime_tag, r.runtime_tag_pattern) as is_runtime_tag,
        r.owner_pattern = '' or regexp_matches(p.controller, r.owner_pattern) as is_owner,
        coalesce(
            regexp_matches(
                -- an empty key would be no JSON path
                json_extract_string(p.tags, '$."' || nullif(r.instance_tag_key, '') || '"'), r.instance_tag_pattern
            ),
            r.instance_tag_key = ''
        ) as is_instance_tag_value,
        coalesce(
            regexp_matches(
                json_extract_string(p.labels, '$."' || nullif(r.pod_label_key, '') || '"'), r.pod_label_pattern
            ),
            r.pod_label_key = ''
        ) as is_pod_label_value,
        r.account_pattern = '' or regexp_matches(p.account_id, r.account_pattern) as is_account,
        -- an owner is no line of the bill
        r.service_pattern = '' as is_service,
        r.resource_pattern = '' as is_resource,
        r.usage_type_pattern = '' as is_usage_type,
        r.bill_tag_key = '' as is_bill_tag_value,
        r.cost_category_key = '' as is_cost_category_value,
        r.is_inherited,
    from parsed as p
    cross join stg_workload_rules as r
),

matched as (
    select
        instance_id,
        owner_id,
        tags,
        min(rule_number) filter (where not is_inherited) as rule_number,
        min(rule_number) filter (where is_inherited) as inherited_rule_number,
    from tried
    where
        is_cluster
        and is_namespace
        and is_pod
        and is_container
        and is_hpc_job
        and is_runtime_tag
        and is_owner
        and is_instance_tag_value
        and is_pod_label_value
        and is_account
        and is_service
        and is_resource
        and is_usage_type
        and is_bill_tag_value
        and is_cost_category_value
    group by instance_id, owner_id, tags
),

-- what names a workload that no rule names, in order; the first that has a name speaks
steps as (
    select distinct
        instance_id,
        owner_id,
        unnest([1, 2, 3, 4]) as step_number,
        unnest(['owner', 'pod_name', 'slurm', 'runtime_tag']) as step,
        unnest([controller_name, pod_base_name, hpc_job, runtime_tag]) as name,
        unnest([controller_kind, fallback_kind, fallback_kind, fallback_kind]) as kind,
    from parsed
),

fallbacks as (
    select
        instance_id,
        owner_id,
        arg_min(step, step_number) as fallback_rule,
        arg_min(name, step_number) as fallback_name,
        arg_min(kind, step_number) as fallback_kind,
    from steps
    where name <> ''
    group by instance_id, owner_id
),

named as (
    select
        p.instance_id,
        p.owner_id,
        p.tags,
        p.cluster,
        coalesce(f.fallback_rule, 'runtime_tag') as fallback_rule,
        r.rule_number,
        coalesce(nullif(r.workload, ''), f.fallback_name, '') as workload,
        coalesce(nullif(r.kind, ''), f.fallback_kind, '-') as kind,
        coalesce(nullif(p.namespace, ''), '-') as shown_namespace,
        coalesce(nullif(r.team, ''), h.team, '') as team,
        coalesce(nullif(r.cost_center, ''), h.cost_center, '') as cost_center,
        r.workload <> '' as is_named_by_rule,
    from parsed as p
    left join fallbacks as f using (instance_id, owner_id)
    left join matched as m using (instance_id, owner_id, tags)
    left join stg_workload_rules as r on m.rule_number = r.rule_number
    left join stg_workload_rules as h on m.inherited_rule_number = h.rule_number
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
from tagged as o
join named as n using (instance_id, owner_id, tags)
