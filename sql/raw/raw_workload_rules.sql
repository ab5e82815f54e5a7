-- raw_workload_rules: the rules of workloads.toml, in order; written by the build.
-- grain:  rule_number
-- column: rule_number | order of the rule, from 1; the first match wins
-- column: cluster | regex on the cluster, '' = any
-- column: namespace | regex on the namespace, '' = any
-- column: pod | regex on the pod name, '' = any
-- column: container | regex on the container, '' = any
-- column: hpc_job | regex on the job, '' = any
-- column: runtime_tag | regex on the Neuron runtime tag, '' = any
-- column: instance_tag_key | instance tag the next regex reads, '' = none
-- column: instance_tag_value | regex on that tag's value, '' = any
-- column: owner | regex on the pod's owner, kind/name in lower-case kind, '' = any
-- column: pod_label_key | pod label the next regex reads, '' = none
-- column: pod_label_value | regex on that label's value, '' = any
-- column: account | regex on the account id, '' = any
-- column: service | regex on the bill's product code, '' = any
-- column: resource | regex on the bill's resource, mostly an ARN, '' = any
-- column: usage_type | regex on the bill's usage type, '' = any
-- column: bill_tag_key | tag of the bill line the next regex reads, '' = none
-- column: bill_tag_value | regex on that tag's value, '' = any
-- column: cost_category_key | cost category the next regex reads, '' = none
-- column: cost_category_value | regex on that category's value, '' = any
-- column: workload | name the rule gives, '' = leave
-- column: team | team the rule gives
-- column: kind | kind the rule gives
-- column: cost_center | cost center the rule gives
-- check:  fail | rule_number >= 1 | rules are counted from 1
create table if not exists raw_workload_rules (
    rule_number integer,
    cluster varchar,
    namespace varchar,
    pod varchar,
    container varchar,
    hpc_job varchar,
    runtime_tag varchar,
    instance_tag_key varchar,
    instance_tag_value varchar,
    owner varchar,
    pod_label_key varchar,
    pod_label_value varchar,
    account varchar,
    service varchar,
    resource varchar,
    usage_type varchar,
    bill_tag_key varchar,
    bill_tag_value varchar,
    cost_category_key varchar,
    cost_category_value varchar,
    workload varchar,
    team varchar,
    kind varchar,
    cost_center varchar
);
