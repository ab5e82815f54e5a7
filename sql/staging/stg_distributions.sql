-- stg_distributions: which money without an owner is spread over the workloads of its day, and how; no row = kept apart.
-- grain:  source_class
-- column: source_class | cost class that is spread; workload for shared workloads, overhead for what no bill holds
-- column: method | even or weighted
-- column: scope | whose workloads receive: cluster, account or all
-- column: overhead_usd_per_hour | USD per hour of overhead; NULL for the other classes
-- check:  fail | method in ('even', 'weighted') | money is spread evenly or by weight
-- check:  fail | scope in ('cluster', 'account', 'all') | somebody receives

select
    d.subject as source_class,
    d.value as method,
    coalesce(max(s.value) filter (where s.setting = 'over'), 'cluster') as scope,
    cast(
        max(s.value) filter (where s.setting = 'overhead_usd_per_hour' and d.subject = 'overhead') as decimal(38, 10)
    ) as overhead_usd_per_hour,
from raw_allocation_settings as d
left join raw_allocation_settings as s on s.setting in ('over', 'overhead_usd_per_hour')
where d.setting = 'distribute'
group by d.subject, d.value
