-- int_distributions: which money without an owner is spread over the workloads of its day, and how; no row = kept apart.
-- grain:  source_class
-- column: source_class | cost class that is spread; workload for shared workloads, overhead for what no bill holds
-- column: method | even or weighted
-- column: scope | whose workloads receive: cluster, account or all
-- column: daily_overhead_usd | USD of overhead per UTC day of 24 hours; NULL for the other classes
-- check:  fail | source_class in ('shared', 'idle.unallocated', 'idle.reserved_unused', 'adjustment', 'workload', 'overhead') | unattributed money has no owner to be found by spreading

select
    source_class,
    method,
    scope,
    cast(overhead_usd_per_hour * 24 as decimal(38, 10)) as daily_overhead_usd,
from stg_distributions
