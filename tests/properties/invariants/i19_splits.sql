-- I19 No double count: with AWS's own splits, `Unused` row and unused parts beside the bill, every part of every line is as without them.
with parts as (
    select
        bill_of(twin_of(account_id)) as bill, told_as(twin_of(account_id)) as told,
        (usage_hour_at, line_key(cost_line_id), cost_class, plain(workload_id), billed_cost_usd, effective_cost_usd, list_cost_usd) as said,
    from fct_cost_allocated_hourly
    -- the first delivery came without splits, and without the last tax
    where cost_status = 'billed' and line_key(cost_line_id) <> 'late'
)

(select bill, said from parts where told = 'base' except all select bill, said from parts where told = 'first')
union all
(select bill, said from parts where told = 'first' except all select bill, said from parts where told = 'base')
