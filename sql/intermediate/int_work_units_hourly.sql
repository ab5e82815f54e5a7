-- int_work_units_hourly: tokens, steps and requests of each workload per UTC hour.
-- grain:  usage_hour_at, workload_id, unit
-- column: usage_hour_at | UTC hour
-- column: workload_id | cluster/namespace/kind/name, attributed as holdings are
-- column: unit | prompt_tokens, output_tokens, requests, steps, checkpoints, epochs or runs
-- column: units | how many
-- check:  fail | units >= 0 | work is not undone
-- check:  fail | query: select unit, told.units as told_units, counted.units as counted_units
--     from (select unit, sum(units) as units from stg_work_units group by unit) as told
--     full join (select unit, sum(units) as units from int_work_units_hourly group by unit) as counted using (unit)
--     where told.units is distinct from counted.units | every unit told is counted once, in one hour of one workload
-- window: usage_hour_at

select
    u.usage_hour_at,
    w.workload_id,
    u.unit,
    cast(sum(u.units) as bigint) as units,
from int_work_unit_hours as u
join int_owner_workloads as w using (usage_hour_at, instance_id, owner_id)
where
    u.usage_hour_at >= $start_at
    and u.usage_hour_at < $end_at
    and w.usage_hour_at >= $start_at
    and w.usage_hour_at < $end_at
group by u.usage_hour_at, w.workload_id, u.unit
