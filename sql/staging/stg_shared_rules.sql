-- stg_shared_rules: which workloads serve all others, so that their cost is spread over them.
-- grain:  rule_kind, name
-- column: rule_kind | namespace or label
-- column: name | namespace, or key of a pod label
-- column: label_value | value of the label; '' for a namespace
-- check:  fail | rule_kind in ('namespace', 'label') | workloads are shared by namespace or label

select
    replace(setting, 'shared_', '') as rule_kind,
    subject as name,
    value as label_value,
from raw_allocation_settings
where setting in ('shared_namespace', 'shared_label')
