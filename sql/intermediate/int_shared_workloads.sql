-- int_shared_workloads: the workloads that serve all others, by their namespace or a label of their pods, per UTC day.
-- grain:  usage_date, workload_id
-- column: usage_date | UTC day
-- column: workload_id | workload
-- check:  fail | workload_id <> '' | only workloads are shared
-- window: usage_date

select distinct
    cast(w.usage_hour_at as date) as usage_date,
    w.workload_id,
from stg_shared_rules as r
join int_owner_workloads as w on r.rule_kind = 'label' or w.namespace = r.name
left join int_pods as p
    on
        r.rule_kind = 'label'
        and w.instance_id = p.instance_id
        and split_part(w.owner_id, chr(31), 1) = 'pod'
        and split_part(w.owner_id, chr(31), 2) = p.namespace
        and split_part(w.owner_id, chr(31), 3) = p.pod
where
    w.usage_hour_at >= $start_at
    and w.usage_hour_at < $end_at
    and (r.rule_kind = 'namespace' or json_extract_string(p.labels, '$."' || r.name || '"') = r.label_value)
