-- fct_workload_usage_hourly: how long each workload held each accelerator in each UTC hour.
-- grain:  usage_hour_at, accelerator_id, instance_id, workload_id
-- column: usage_hour_at | UTC hour
-- column: accelerator_id | accelerator
-- column: instance_id | EC2 instance, '' where the host is unknown
-- column: workload_id | workload
-- column: slice_count | compute slices of the MIG instance in that hour, 1 on a whole device
-- column: device_slice_count | compute slices of the whole device, 1 without MIG
-- column: held_seconds | share-weighted seconds held
-- column: busy_seconds | share-weighted seconds of execution; NULL where no sample could tell
-- column: busy_held_seconds | the part of held_seconds whose execution is known
-- check:  fail | held_seconds between 0 and 3600 | nobody holds an accelerator for more than the hour
-- check:  fail | busy_seconds is null or busy_seconds <= held_seconds + 0.001 | a workload cannot work longer than it holds
-- window: usage_hour_at

select
    h.usage_hour_at,
    h.accelerator_id,
    h.instance_id,
    w.workload_id,
    max(h.slice_count) as slice_count,
    max(h.device_slice_count) as device_slice_count,
    cast(cast(sum(h.held_ns) as decimal(18, 0)) * 0.000000001 as decimal(18, 9)) as held_seconds,
    cast(cast(sum(h.busy_ns) as decimal(18, 0)) * 0.000000001 as decimal(18, 9)) as busy_seconds,
    cast(cast(sum(h.busy_held_ns) as decimal(18, 0)) * 0.000000001 as decimal(18, 9)) as busy_held_seconds,
from int_holdings as h
join int_owner_workloads as w using (usage_hour_at, instance_id, owner_id)
where
    h.usage_hour_at >= $start_at
    and h.usage_hour_at < $end_at
    and w.usage_hour_at >= $start_at
    and w.usage_hour_at < $end_at
group by h.usage_hour_at, h.accelerator_id, h.instance_id, w.workload_id
