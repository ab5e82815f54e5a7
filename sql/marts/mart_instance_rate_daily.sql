-- mart_instance_rate_daily: what an hour of each instance type really cost, per UTC day and account.
-- grain:  usage_date, account_id, instance_type
-- column: usage_date | UTC day
-- column: account_id | account that pays
-- column: instance_type | EC2 instance type
-- column: instance_hours | instance-hours of the hours that the bill covers
-- column: effective_cost_usd | USD after discounts and commitments; unused commitments are not in it
-- column: billed_cost_usd | USD as invoiced
-- column: list_cost_usd | USD at public on-demand price; NULL where the bill does not tell
-- column: effective_usd_per_instance_hour | effective cost over instance-hours; NULL where no time is known
-- check:  fail | instance_hours >= 0 | time is never negative
-- window: usage_date

with costs as (
    select
        usage_hour_at,
        account_id,
        instance_type,
        sum(effective_cost_usd) as effective_cost_usd,
        sum(billed_cost_usd) as billed_cost_usd,
        sum(list_cost_usd) as list_cost_usd,
    from fct_cost_allocated_hourly
    where
        usage_date >= $start_at
        and usage_date < $end_at
        and instance_type <> ''
        and cost_class in ('workload', 'idle.unallocated', 'unattributed')
        and cost_status = 'billed'
    group by usage_hour_at, account_id, instance_type
),

times as (
    select
        usage_hour_at,
        account_id,
        instance_type,
        sum(cast(capacity_ns as hugeint) // device_count) as instance_ns,
    from int_instance_hours
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    group by usage_hour_at, account_id, instance_type
),

days as (
    select
        cast(c.usage_hour_at as date) as usage_date,
        c.account_id,
        c.instance_type,
        sum(t.instance_ns) as instance_ns,
        sum(c.effective_cost_usd) as effective_cost_usd,
        sum(c.billed_cost_usd) as billed_cost_usd,
        sum(c.list_cost_usd) as list_cost_usd,
    from costs as c
    join times as t using (usage_hour_at, account_id, instance_type)
    group by cast(c.usage_hour_at as date), c.account_id, c.instance_type
)

select
    usage_date,
    account_id,
    instance_type,
    cast(cast(instance_ns as decimal(28, 0)) * 0.000000001 / 3600 as decimal(18, 6)) as instance_hours,
    cast(effective_cost_usd as decimal(38, 10)) as effective_cost_usd,
    cast(billed_cost_usd as decimal(38, 10)) as billed_cost_usd,
    cast(list_cost_usd as decimal(38, 10)) as list_cost_usd,
    cast(
        cast(effective_cost_usd as double) * 3600000000000 / nullif(cast(instance_ns as double), 0) as decimal(38, 10)
    ) as effective_usd_per_instance_hour,
from days
