-- stg_cur_splits: how AWS itself divides an instance-hour among pods and tasks: a hint beside the bill, never added to it.
-- grain:  usage_hour_at, line_number, export_name, billing_period
-- column: usage_hour_at | UTC hour of the split
-- column: line_number | position of the row in its delivery
-- column: export_name | export that delivered it
-- column: billing_period | first day of the billing period
-- column: account_id | usage account
-- column: resource_id | ARN of the pod or task
-- column: instance_id | EC2 instance whose line is divided, '' where unknown
-- column: usage_type | AWS usage type: cpu, memory or accelerator
-- column: pod_namespace | Kubernetes namespace, '' where untagged
-- column: pod_owner | Kubernetes workload name, '' where untagged
-- column: pod_name | Kubernetes pod, '' for a task or the unused part
-- column: resource | vcpu, memory or accelerator, by the usage type; '' where it names none of them
-- column: split_usage | max of requested and used, in hours of a vCPU, GiB or accelerator
-- column: split_cost_usd | USD of the used part
-- column: unused_cost_usd | USD of the instance's unused part laid on this row
-- column: total_cost_usd | both, as AWS reports the pod's cost
-- check:  fail | total_cost_usd is null or total_cost_usd = coalesce(split_cost_usd, 0) + coalesce(unused_cost_usd, 0) | the two parts make the whole
-- window: usage_hour_at

with current_deliveries as (
    select
        delivery_id,
        export_name,
    from raw_deliveries
    where source = 'cur'
    qualify row_number() over (
        partition by export_name, billing_period
        order by delivered_at desc, delivery_id desc
    ) = 1
)

select
    date_trunc('hour', s.usage_start_at) as usage_hour_at,
    s.line_number,
    d.export_name,
    s.billing_period,
    s.account_id,
    s.resource_id,
    regexp_extract(s.parent_resource_id, 'i-[0-9a-f]+') as instance_id,
    s.usage_type,
    coalesce(
        json_extract_string(s.resource_tags, '$."aws:eks:namespace"'),
        json_extract_string(s.resource_tags, '$."aws_eks_namespace"'),
        regexp_extract(s.resource_id, '(^|:)pod/[^/]+/([^/]+)/[^/]+/', 2),
        ''
    ) as pod_namespace,
    coalesce(
        json_extract_string(s.resource_tags, '$."aws:eks:workload-name"'),
        json_extract_string(s.resource_tags, '$."aws_eks_workload_name"'),
        ''
    ) as pod_owner,
    regexp_extract(s.resource_id, '(^|:)pod/[^/]+/[^/]+/([^/]+)/', 2) as pod_name,
    case
        when regexp_matches(s.usage_type, '(?i)vcpu') then 'vcpu'
        when regexp_matches(s.usage_type, '(?i)gpu|accel|neuron|trainium|inferentia') then 'accelerator'
        when regexp_matches(s.usage_type, '(?i)gb|mem') then 'memory'
        else ''
    end as resource,
    coalesce(s.split_usage, greatest(s.reserved_usage, s.actual_usage)) as split_usage,
    coalesce(s.net_split_cost, s.split_cost) as split_cost_usd,
    coalesce(s.net_unused_cost, s.unused_cost) as unused_cost_usd,
    cast(
        coalesce(s.net_split_cost, s.split_cost) + coalesce(s.net_unused_cost, s.unused_cost, 0) as decimal(38, 10)
    ) as total_cost_usd,
from raw_cur_splits as s
join current_deliveries as d using (delivery_id)
where s.usage_start_at >= $start_at and s.usage_start_at < $end_at
