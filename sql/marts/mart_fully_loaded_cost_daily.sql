-- mart_fully_loaded_cost_daily: what each workload costs per UTC day with its part of shared money, and what stays with nobody.
-- grain:  usage_date, cost_class, workload_id, cost_status
-- column: usage_date | UTC day
-- column: cost_class | workload, idle.unallocated, idle.reserved_unused, shared, unattributed or adjustment; overhead: what the rows above it were charged beyond the bill, taken away here
-- column: workload_id | workload, '' in the other classes
-- column: cost_status | billed: from a billing delivery; estimated: hours that no bill covers yet; '' for overhead
-- column: effective_cost_usd | direct cost: USD after discounts, commitments and upfront fees spread over use
-- column: distributed_effective_cost_usd | what distribution added, or took away here
-- column: fully_loaded_effective_cost_usd | both
-- column: billed_cost_usd | direct cost: USD as invoiced
-- column: distributed_billed_cost_usd | what distribution added, or took away here
-- column: fully_loaded_billed_cost_usd | both
-- check:  fail | query: select usage_date, sum(distributed_effective_cost_usd) as added_usd from mart_fully_loaded_cost_daily where usage_date >= cast($start_at as date) and usage_date < cast($end_at as date) group by usage_date having sum(distributed_effective_cost_usd) <> 0 or sum(distributed_billed_cost_usd) <> 0 | distribution neither makes nor loses money
-- check:  fail | fully_loaded_effective_cost_usd = effective_cost_usd + distributed_effective_cost_usd | fully loaded is direct and distributed
-- window: usage_date

with amounts as (
    select
        usage_date,
        cost_class,
        workload_id,
        cost_status,
        effective_cost_usd,
        billed_cost_usd,
        cast(0 as decimal(38, 10)) as distributed_effective_cost_usd,
        cast(0 as decimal(38, 10)) as distributed_billed_cost_usd,
    from mart_resource_cost_daily
    where usage_date >= cast($start_at as date) and usage_date < cast($end_at as date)
    union all by name
    select
        usage_date,
        cost_class,
        workload_id,
        cost_status,
        cast(0 as decimal(38, 10)) as effective_cost_usd,
        cast(0 as decimal(38, 10)) as billed_cost_usd,
        effective_cost_usd as distributed_effective_cost_usd,
        billed_cost_usd as distributed_billed_cost_usd,
    from mart_distributed_cost_daily
    where usage_date >= cast($start_at as date) and usage_date < cast($end_at as date)
),

sums as (
    select
        usage_date,
        cost_class,
        workload_id,
        cost_status,
        sum(effective_cost_usd) as effective_cost_usd,
        sum(distributed_effective_cost_usd) as distributed_effective_cost_usd,
        sum(billed_cost_usd) as billed_cost_usd,
        sum(distributed_billed_cost_usd) as distributed_billed_cost_usd,
    from amounts
    group by usage_date, cost_class, workload_id, cost_status
)

select
    usage_date,
    cost_class,
    workload_id,
    cost_status,
    cast(effective_cost_usd as decimal(38, 10)) as effective_cost_usd,
    cast(distributed_effective_cost_usd as decimal(38, 10)) as distributed_effective_cost_usd,
    cast(effective_cost_usd + distributed_effective_cost_usd as decimal(38, 10)) as fully_loaded_effective_cost_usd,
    cast(billed_cost_usd as decimal(38, 10)) as billed_cost_usd,
    cast(distributed_billed_cost_usd as decimal(38, 10)) as distributed_billed_cost_usd,
    cast(billed_cost_usd + distributed_billed_cost_usd as decimal(38, 10)) as fully_loaded_billed_cost_usd,
from sums
