-- mart_unit_cost_hourly: the counted work of each workload per UTC hour, with the software that did it, its latency, and what the hour cost.
-- grain:  usage_hour_at, workload_id, chip, unit
-- column: usage_hour_at | UTC hour
-- column: usage_date | UTC day
-- column: workload_id | workload
-- column: chip | chip that did the work; other where the workload held none that day
-- column: unit | prompt_tokens, output_tokens, requests, steps, …. Each row carries the whole cost of its workload, chip and hour: never sum over units
-- column: units | how many
-- column: software | what did them, with its version; '' where not told, several where more than one did
-- column: latency_units | the part of units whose latency is told
-- column: latency_p95_ms_low | lowest 95th percentile of latency told of a pod's stretch of time; the 95th percentile of them all lies between the two. NULL where none is told
-- column: latency_p95_ms_high | highest
-- column: device_hours | device-hours held by the workload in the hour; NULL where none is seen
-- column: busy_device_hours | device-hours of execution; NULL where unknown
-- column: known_device_hours | the part of device_hours whose execution is known
-- column: effective_cost_usd | USD of the workload on the chip in the hour, busy or not; NULL where no money is allocated
-- column: cost_status | billed, or estimated where a part of the money is; '' without money
-- check:  fail | units >= 0 | work is not undone
-- check:  fail | latency_units between 0 and units and (latency_units = 0 or latency_p95_ms_high is not null) | a latency is that of some requests
-- check:  fail | (effective_cost_usd is null) = (cost_status = '') | money has a status
-- window: usage_date

with work as (
    select *
    from int_work_unit_chip_hours
    where usage_date >= cast($start_at as date) and usage_date < cast($end_at as date)
),

costs as (
    select
        usage_hour_at,
        workload_id,
        chip,
        sum(effective_cost_usd) as effective_cost_usd,
        bool_or(cost_status = 'estimated') as is_estimated,
    from fct_cost_allocated_hourly
    where
        cost_class = 'workload'
        and usage_date >= cast($start_at as date)
        and usage_date < cast($end_at as date)
        and workload_id in (select w.workload_id from work as w)
    group by usage_hour_at, workload_id, chip
),

held as (
    select
        usage_hour_at,
        workload_id,
        chip,
        sum(held_device_hours) as device_hours,
        sum(busy_device_hours) as busy_device_hours,
        sum(known_device_hours) as known_device_hours,
    from fct_replica_cost_hourly
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
    group by usage_hour_at, workload_id, chip
)

select
    w.usage_hour_at,
    w.usage_date,
    w.workload_id,
    w.chip,
    w.unit,
    w.units,
    w.software,
    w.latency_units,
    w.latency_p95_ms_low,
    w.latency_p95_ms_high,
    cast(h.device_hours as decimal(18, 6)) as device_hours,
    cast(h.busy_device_hours as decimal(18, 6)) as busy_device_hours,
    cast(h.known_device_hours as decimal(18, 6)) as known_device_hours,
    cast(c.effective_cost_usd as decimal(38, 10)) as effective_cost_usd,
    case when c.effective_cost_usd is null then '' when c.is_estimated then 'estimated' else 'billed' end as cost_status,
from work as w
left join costs as c using (usage_hour_at, workload_id, chip)
left join held as h using (usage_hour_at, workload_id, chip)
