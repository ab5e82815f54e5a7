-- I6 Permutation and idempotency: lines and samples in another order, and delivered twice, are allocated alike.
with told as (
    select
        twin_of(account_id) as twin,
        (
            usage_hour_at, line_key(cost_line_id), cost_class, plain(workload_id), chip, region, cluster, instance_type,
            record_type, cost_status, billed_cost_usd, effective_cost_usd, list_cost_usd
        ) as said,
    from fct_cost_allocated_hourly
    where cost_status = 'billed'
),

base as (select bill_of(twin) as bill, said from told where told_as(twin) = 'base'),

again as (select bill_of(twin) as bill, said from told where told_as(twin) = 'again')

(from base except all from again)
union all
(from again except all from base)
