-- raw_comparison_settings: what a move to another chip would cost, and what a workload is like; written by the build.
-- grain:  workload
-- column: workload | workload id or name; '' for what holds for every other
-- column: migration_cost_usd | cost of the move; NULL where the general one holds
-- column: resembles | published benchmark whose figures speak where the workload has none of its own, '' = none
-- column: horizon_months | months within which the move must have paid for itself; NULL beside a workload
-- check:  fail | migration_cost_usd is null or migration_cost_usd >= 0 | a move does not bring money by itself
create table if not exists raw_comparison_settings (
    workload varchar,
    migration_cost_usd decimal(18, 2),
    resembles varchar,
    horizon_months integer
);
