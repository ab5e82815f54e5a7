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
    workload,
    team,
    kind,
    cost_center,
from raw_workload_rules
