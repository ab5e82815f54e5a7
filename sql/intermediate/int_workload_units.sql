-- int_workload_units: which units each workload's work is counted in, and since when.
-- grain:  workload_id, unit
-- column: workload_id | workload
-- column: unit | prompt_tokens, output_tokens, steps, …
-- column: valid_from_at | first hour in which they were counted
-- check:  fail | workload_id <> '' | somebody worked

select
    workload_id,
    unit,
    min(usage_hour_at) as valid_from_at,
from int_work_units_hourly
group by workload_id, unit
