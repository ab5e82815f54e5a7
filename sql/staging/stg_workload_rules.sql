-- stg_workload_rules: the rules of workloads.toml, in order.
-- grain:  rule_number
-- column: rule_number | position in the file; the first rule that matches an owner names it
-- column: cluster_pattern | regular expression over the cluster; '' matches all
-- column: namespace_pattern | regular expression over the namespace
-- column: pod_pattern | regular expression over the pod name
-- column: container_pattern | regular expression over the container name
-- column: hpc_job_pattern | regular expression over the Slurm job id
-- column: runtime_tag_pattern | regular expression over the Neuron runtime tag
-- column: instance_tag_key | EC2 tag that must exist; '' asks for none
-- column: instance_tag_pattern | regular expression over that tag's value
-- column: owner_pattern | regular expression over the pod's owner, as deployment/ranker
-- column: pod_label_key | pod label that must exist; '' asks for none
-- column: pod_label_pattern | regular expression over that label's value
-- column: account_pattern | regular expression over the account id; '' matches all
-- column: service_pattern | regular expression over the product code of a bill line
-- column: resource_pattern | regular expression over the resource of a bill line
-- column: usage_type_pattern | regular expression over the usage type of a bill line
-- column: bill_tag_key | tag of a bill line that must exist, in lower case with _ for other signs; '' asks for none
-- column: bill_tag_pattern | regular expression over that tag's value
-- column: cost_category_key | cost category that must exist, spelled alike; '' asks for none
-- column: cost_category_pattern | regular expression over its value
-- column: asks_bill | the rule asks for what only a bill line has
-- column: asks_owner | the rule asks for what only an owner of an accelerator has
-- column: is_inherited | the rule names an account alone, and gives its team and cost center to what no other rule does
-- column: workload | name given to the workload; '' keeps the name that the fallbacks give
-- column: team | owning team
-- column: kind | kind of workload; '' keeps the one that the fallbacks give
-- column: cost_center | cost center
-- check:  fail | rule_number > 0 | rules are numbered from 1

select
    rule_number,
    cluster as cluster_pattern,
    namespace as namespace_pattern,
    pod as pod_pattern,
    container as container_pattern,
    hpc_job as hpc_job_pattern,
    runtime_tag as runtime_tag_pattern,
    instance_tag_key,
    instance_tag_value as instance_tag_pattern,
    owner as owner_pattern,
    pod_label_key,
    pod_label_value as pod_label_pattern,
    account as account_pattern,
    service as service_pattern,
    resource as resource_pattern,
    usage_type as usage_type_pattern,
    regexp_replace(regexp_replace(lower(bill_tag_key), '[^a-z0-9]+', '_', 'g'), '^user_', '') as bill_tag_key,
    bill_tag_value as bill_tag_pattern,
    regexp_replace(regexp_replace(lower(cost_category_key), '[^a-z0-9]+', '_', 'g'), '^user_', '') as cost_category_key,
    cost_category_value as cost_category_pattern,
    concat(service, resource, usage_type, bill_tag_key, cost_category_key) <> '' as asks_bill,
    concat(namespace, pod, container, hpc_job, runtime_tag, instance_tag_key, owner, pod_label_key) <> '' as asks_owner,
    account <> '' and workload = '' and kind = '' and not asks_bill and not asks_owner and cluster = '' as is_inherited,
    workload,
    team,
    kind,
    cost_center,
from raw_workload_rules
