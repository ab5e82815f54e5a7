-- training_cost: what does a training run, checkpoint, epoch or step cost, failed and restarted attempts included?
-- column: effective_cost_usd | USD of every day of the workload, in each unit's row: never added over units
-- column: uncounted_cost_usd | the part on days without work counted: mostly attempts that failed or waited
-- column: uncounted_ratio | that part over the whole; NULL where there is no cost
-- column: cost_per_unit_usd | cost per unit; NULL with reason_if_null
-- limit:  attempts of a job share one workload, so a failed one is not told apart from a waiting one here; question 11 does, where a scheduler tells of them
-- param:  workload_id = '' | only this workload; '' is all
select
    workload_id,
    unit,
    first_date,
    last_date,
    units,
    effective_cost_usd,
    uncounted_cost_usd,
    cast(uncounted_cost_usd / nullif(effective_cost_usd, 0) as decimal(18, 6)) as uncounted_ratio,
    cost_per_unit_usd,
    cost_status,
    reason_if_null,
from mart_run_cost
where unit in ('runs', 'checkpoints', 'epochs', 'steps') and ($workload_id = '' or workload_id = $workload_id)
order by effective_cost_usd desc nulls last, workload_id, unit
