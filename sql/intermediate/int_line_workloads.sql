-- int_line_workloads: the workload that a line of the bill is by itself, where no telemetry sees it: SageMaker, HyperPod, Bedrock, Batch, ECS, and what rules name.
-- grain:  cost_line_id
-- column: cost_line_id | line of the bill
-- column: usage_hour_at | UTC hour in which the line starts
-- column: workload_id | cluster/namespace/kind/name, '-' for unknown parts
-- column: workload | name of the workload
-- column: kind | sagemaker-endpoint, sagemaker-training, hyperpod, bedrock-model, batch-job, ecs-service …, '-' where unknown
-- column: cluster | ECS cluster, '-' elsewhere
-- column: namespace | always '-'
-- column: team | owning team, '' where neither rule, tag nor cost category names one
-- column: cost_center | cost center, '' where nothing names one
-- column: attribution_rule | rule:<n>, tag, arn or usage_type
-- check:  fail | workload_id like '%/%/%/%' | a workload id has four parts
-- check:  fail | workload <> '' | a workload has a name
-- check:  warn | query: select workload_id, usage_hour_at from int_line_workloads where usage_hour_at >= $start_at and usage_hour_at < $end_at group by workload_id, usage_hour_at having count(distinct team) > 1 | one name stands for workloads of several teams: give them names of their own by rules that ask for the account
-- window: usage_hour_at

with lines as (
    select
        l.cost_line_id,
        l.usage_hour_at,
        l.account_id,
        t.product_code,
        t.service_name,
        coalesce(t.usage_type, '') as usage_type,
        coalesce(t.resource_id, '') as resource_id,
        t.line_tags as tags,
        t.cost_categories,
    from int_cost_lines as l
    join int_line_terms as t using (cost_line_id, usage_hour_at)
    where
        l.line_class = 'unattributed'
        and t.charge_category = 'Usage'
        -- what comes back is not what a workload cost
        and l.effective_cost_usd >= 0
        and l.usage_hour_at >= $start_at
        and l.usage_hour_at < $end_at
        and t.usage_hour_at >= $start_at
        and t.usage_hour_at < $end_at
),

-- what is alike is judged once
identities as (
    select distinct
        * exclude (cost_line_id, usage_hour_at),
        concat_ws(chr(31), account_id, product_code, service_name, usage_type, resource_id, tags, cost_categories)
            as identity,
    from lines
),

-- keys in lower case with _ for other signs: Team, user_team, user:team are one
labels as (
    select
        identity,
        map_from_entries(list(struct_pack(k := label, v := value)) filter (where is_tag)) as tag_values,
        map_from_entries(list(struct_pack(k := label, v := value)) filter (where not is_tag)) as category_values,
    from (
        select
            identity,
            is_tag,
            regexp_replace(regexp_replace(lower(entry.key), '[^a-z0-9]+', '_', 'g'), '^user_', '') as label,
            arg_min(trim(entry.value), (trim(entry.value) = '', entry.key)) as value,
        from (
            select
                identity,
                true as is_tag,
                unnest(map_entries(cast(cast(tags as json) as map (varchar, varchar)))) as entry,
            from identities
            union all
            select
                identity,
                false as is_tag,
                unnest(map_entries(cast(cast(cost_categories as json) as map (varchar, varchar)))) as entry,
            from identities
        )
        group by identity, is_tag, label
    )
    group by identity
),

parts as (
    select
        i.*,
        coalesce(l.tag_values, map([], [])) as tag_values,
        coalesce(l.category_values, map([], [])) as category_values,
        regexp_extract(i.resource_id, '^arn:[^:]*:([^:]*):', 1) as arn_service,
        regexp_extract(i.resource_id, '^arn:[^:]*:[^:]*:[^:]*:[^:]*:([a-z-]+)[/:]', 1) as arn_type,
        -- without the time that SageMaker's SDK puts behind the name of each job
        regexp_replace(
            regexp_extract(i.resource_id, '^arn:[^:]*:[^:]*:[^:]*:[^:]*:[a-z-]+[/:](.*)$', 1),
            '-\d{4}(-\d{2}){5}(-\d{3})?$',
            ''
        ) as arn_name,
        i.product_code in ('AmazonSageMaker', 'Amazon SageMaker') as is_sagemaker,
        i.product_code ilike '%Bedrock%' or i.service_name ilike '%Bedrock%' as is_bedrock,
        i.product_code in ('AmazonECS', 'Amazon Elastic Container Service') as is_ecs,
        regexp_replace(i.usage_type, '^[A-Z]{2,4}[0-9]{1,2}-', '') as meter,
    from identities as i
    left join labels as l using (identity)
),

parsed as (
    select
        *,
        case
            when is_ecs
                then coalesce(
                    nullif(tag_values['aws_ecs_clustername'], ''),
                    case when arn_type in ('task', 'service') then nullif(split_part(arn_name, '/', 1), '') end,
                    '-'
                )
            else '-'
        end as cluster,
        coalesce(
            nullif(regexp_extract(tag_values['aws_batch_job_definition'], '([^/:]+)(:\d+)?$', 1), ''),
            nullif(regexp_extract(tag_values['aws_batch_job_queue'], '([^/:]+)$', 1), ''),
            nullif(regexp_extract(tag_values['aws_batch_compute_environment'], '([^/:]+)$', 1), '')
        ) as batch_name,
    from parts
),

-- which pattern of which rule matches; `chipledger workloads explain` shows it
tried as (
    select
        p.identity,
        r.rule_number,
        r.is_inherited,
        r.cluster_pattern = '' or (p.cluster <> '-' and regexp_matches(p.cluster, r.cluster_pattern)) as is_cluster,
        -- a line of the bill is no owner
        r.namespace_pattern = '' as is_namespace,
        r.pod_pattern = '' as is_pod,
        r.container_pattern = '' as is_container,
        r.hpc_job_pattern = '' as is_hpc_job,
        r.runtime_tag_pattern = '' as is_runtime_tag,
        r.owner_pattern = '' as is_owner,
        r.instance_tag_key = '' as is_instance_tag_value,
        r.pod_label_key = '' as is_pod_label_value,
        r.account_pattern = '' or regexp_matches(p.account_id, r.account_pattern) as is_account,
        r.service_pattern = '' or regexp_matches(p.product_code, r.service_pattern) as is_service,
        r.resource_pattern = '' or regexp_matches(p.resource_id, r.resource_pattern) as is_resource,
        r.usage_type_pattern = '' or regexp_matches(p.usage_type, r.usage_type_pattern) as is_usage_type,
        coalesce(regexp_matches(p.tag_values[r.bill_tag_key], r.bill_tag_pattern), r.bill_tag_key = '') as is_bill_tag_value,
        coalesce(
            regexp_matches(p.category_values[r.cost_category_key], r.cost_category_pattern), r.cost_category_key = ''
        ) as is_cost_category_value,
    from parsed as p
    cross join stg_workload_rules as r
),

matched as (
    select
        identity,
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
    group by identity
),

-- what names a workload that no rule names, in order; the first that has a name speaks
steps as (
    select
        identity,
        unnest([1, 2, 3]) as step_number,
        unnest(['tag', 'arn', 'usage_type']) as step,
        unnest([
            coalesce(batch_name, case when is_ecs then tag_values['aws_ecs_servicename'] end, ''),
            case
                when is_ecs and arn_type = 'service' then regexp_extract(arn_name, '([^/]+)$', 1)
                when is_ecs and arn_type = 'task' then cluster
                when is_sagemaker or is_bedrock then replace(arn_name, '/', ':')
                else ''
            end,
            case
                when is_bedrock and service_name like '% (Amazon Bedrock Edition)'
                    then replace(service_name, ' (Amazon Bedrock Edition)', '')
                when is_bedrock
                    then coalesce(
                        nullif(
                            regexp_replace(
                                meter,
                                '(?i)[-_:](input|output|cache|prompt|response|batch|flex|priority|cross).*'
                                || '(token|image|unit|request|second).*$',
                                ''
                            ),
                            ''
                        ),
                        service_name
                    )
                when is_sagemaker then coalesce(nullif(regexp_extract(meter, 'ml\.[a-z0-9.-]+'), ''), meter)
                when is_ecs then meter
                else ''
            end
        ]) as name,
        unnest([
            case
                when batch_name is null then 'ecs-service'
                when tag_values['aws_batch_job_definition'] <> '' then 'batch-job'
                when tag_values['aws_batch_job_queue'] <> '' then 'batch-queue'
                else 'batch-compute'
            end,
            case
                when is_ecs then 'ecs-' || if(arn_type = 'service', 'service', 'cluster')
                when is_bedrock and arn_type like '%inference-profile' then 'bedrock-profile'
                when is_bedrock and arn_type like '%-model' then 'bedrock-model'
                when is_bedrock then 'bedrock-' || arn_type
                when arn_type = 'cluster' then 'hyperpod'
                else 'sagemaker-' || regexp_replace(arn_type, '-(job|instance|component)$', '')
            end,
            case
                when is_bedrock then 'bedrock-model'
                when is_ecs then 'ecs'
                when meter like 'Cluster:%' then 'hyperpod'
                when regexp_matches(meter, '^(Host|AsyncInf|Serverless)') then 'sagemaker-endpoint'
                when meter like 'Train:%' then 'sagemaker-training'
                when meter like 'Notebk:%' then 'sagemaker-notebook'
                when meter like 'Processing:%' then 'sagemaker-processing'
                when meter like 'Tsform:%' then 'sagemaker-transform'
                else 'sagemaker'
            end
        ]) as kind,
    from parsed
),

fallbacks as (
    select
        identity,
        arg_min(step, step_number) as fallback_rule,
        arg_min(name, step_number) as fallback_name,
        arg_min(kind, step_number) as fallback_kind,
    from steps
    where name <> ''
    group by identity
),

-- a team as rules spell it
spellings as (
    select
        lower(team) as folded,
        min(team) as spelled,
    from stg_workload_rules
    where team <> ''
    group by lower(team)
),

named as (
    select
        p.identity,
        p.cluster,
        coalesce(nullif(r.workload, ''), f.fallback_name) as workload,
        coalesce(nullif(r.kind, ''), f.fallback_kind, '-') as kind,
        coalesce(
            nullif(r.team, ''),
            s.spelled,
            nullif(lower(p.tag_values['team']), ''),
            c.spelled,
            nullif(lower(p.category_values['team']), ''),
            h.team,
            ''
        ) as team,
        coalesce(
            nullif(r.cost_center, ''),
            nullif(p.tag_values['cost_center'], ''),
            nullif(p.tag_values['costcenter'], ''),
            nullif(p.category_values['cost_center'], ''),
            h.cost_center,
            ''
        ) as cost_center,
        case when r.workload <> '' then 'rule:' || r.rule_number else f.fallback_rule end as attribution_rule,
    from parsed as p
    left join fallbacks as f using (identity)
    left join matched as m using (identity)
    left join stg_workload_rules as r on m.rule_number = r.rule_number
    left join stg_workload_rules as h on m.inherited_rule_number = h.rule_number
    left join spellings as s on lower(p.tag_values['team']) = s.folded
    left join spellings as c on lower(p.category_values['team']) = c.folded
)

select
    l.cost_line_id,
    l.usage_hour_at,
    concat_ws('/', n.cluster, '-', n.kind, n.workload) as workload_id,
    n.workload,
    n.kind,
    n.cluster,
    '-' as namespace,
    n.team,
    n.cost_center,
    n.attribution_rule,
from lines as l
join named as n
    on concat_ws(
        chr(31), l.account_id, l.product_code, l.service_name, l.usage_type, l.resource_id, l.tags, l.cost_categories
    ) = n.identity
where n.workload is not null
