-- stg_comparison_settings: what a move to another chip would cost, and what a workload is like, per workload.
-- grain:  workload
-- column: workload | workload id or name; '' for what holds for every other
-- column: migration_cost_usd | cost of the move; NULL where the general one holds
-- column: resembles | published benchmark whose figures speak where the workload has none of its own, '' = none
-- column: horizon_months | months within which the move must have paid for itself; NULL beside a workload
-- check:  fail | workload <> '' or horizon_months > 0 | the general settings name a horizon

select
    workload,
    migration_cost_usd,
    resembles,
    horizon_months,
from raw_comparison_settings
