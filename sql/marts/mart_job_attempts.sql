-- mart_job_attempts: every attempt of a job that a scheduler told of: how long it waited and ran, how it ended, and what it cost.
-- grain:  attempt_id
-- column: attempt_id | cluster/kind/replica@time of submission
-- column: workload_id | workload that it ran as; '' where it was never seen holding an accelerator
-- column: replica_kind | pod or slurm
-- column: replica | namespace/pod or Slurm job
-- column: cluster | cluster where it was seen, else as told; '-' where nobody says
-- column: chip | chip it held; '' where it was never seen holding one
-- column: outcome | completed, failed, preempted, restarted, cancelled, running or waiting
-- column: submitted_at | since when it wanted to run
-- column: start_at | when it began to run; NULL while it waits or where it never ran
-- column: end_at | when it ended, or until when it is known to run; NULL where it never ran
-- column: wait_until_at | when its waiting ended: it started, was given up, or is known to wait until then
-- column: wait_seconds | seconds from submission until then
-- column: keeps_devices | a pod of that name ran before: taken to restart in place and keep its accelerators while it waits, so that it queues for none
-- column: run_seconds | seconds from start to end
-- column: device_count | accelerators it asked for; else what it held on average while it ran; NULL where neither is known
-- column: device_hours | device-hours held while it ran
-- column: uncosted_device_hours | the part of device_hours in hours that no money is known for: in no USD here
-- column: effective_cost_usd | USD of the device time held while it ran, working or not; the attempts of a replica share its hours by the time they ran. NULL with a reason
-- column: unused_cost_usd | the part of it that paid for time without execution, of the hours whose execution is known; NULL where none is
-- column: waiting_cost_usd | USD of what was held in hours before it ran at all: reserved, but waiting. Not in effective_cost_usd
-- column: cost_status | billed, or estimated where a part of the money is; '' without money
-- column: reason_if_null | why there is no cost, '' where there is one
-- check:  fail | (effective_cost_usd is null) = (reason_if_null <> '') | a missing cost says why
-- check:  fail | wait_seconds >= 0 and run_seconds >= 0 | time runs forward
-- check:  warn | reason_if_null <> 'its name stands in several clusters' | one name in two clusters: tell the cluster with the attempt

with attempts as (
    select
        *,
        concat(
            coalesce(nullif(told_cluster, ''), '-'), '/', replica_kind, '/', replica, '@',
            strftime(timezone('UTC', submitted_at), '%Y-%m-%dT%H:%M:%S.%fZ')
        ) as attempt_id,
        replica_kind = 'pod' and not is_listed and count(start_at) over (
            partition by replica_kind, replica, told_cluster order by submitted_at
            rows between unbounded preceding and 1 preceding
        ) > 0 as keeps_devices,
    from int_job_attempts
),

segments as (
    select
        attempt_id,
        replica_kind,
        replica,
        told_cluster,
        submitted_at,
        'run' as phase,
        start_at as from_at,
        run_until_at as until_at,
    from attempts
    where run_until_at > start_at
    union all
    select
        attempt_id,
        replica_kind,
        replica,
        told_cluster,
        submitted_at,
        'wait' as phase,
        submitted_at as from_at,
        wait_until_at as until_at,
    from attempts
    where wait_until_at > submitted_at
),

hours as (
    select
        *,
        unnest(generate_series(
            date_trunc('hour', from_at), date_trunc('hour', until_at - interval 1 microsecond), interval 1 hour
        )) as usage_hour_at,
    from segments
),

named as (
    select
        h.attempt_id,
        h.submitted_at,
        h.phase,
        epoch_us(least(h.until_at, h.usage_hour_at + interval 1 hour))
        - epoch_us(greatest(h.from_at, h.usage_hour_at)) as phase_us,
        r.*,
        cast(r.effective_cost_usd * 10000000000 as hugeint) as cost_units,
    from hours as h
    join fct_replica_cost_hourly as r
        on
            h.usage_hour_at = r.usage_hour_at
            and h.replica_kind = r.replica_kind
            and h.replica = r.replica
            and (h.told_cluster = '' or r.cluster in (h.told_cluster, '-'))
),

-- without a cluster, a name that runs in two of them says nothing
ambiguous as (
    select attempt_id
    from named
    group by attempt_id
    having count(distinct cluster) > 1
),

-- an hour in which a replica ran pays for the running; one in which it only waited, for the waiting
phased as (
    select
        *,
        case when bool_or(phase = 'run') over replica_hour then phase = 'run' else true end as is_paying,
    from named
    where attempt_id not in (select a.attempt_id from ambiguous as a)
    window replica_hour as (partition by usage_hour_at, instance_id, workload_id, replica_kind, replica)
),

shares as (
    select
        *,
        sum(cast(phase_us as hugeint)) over (
            partition by usage_hour_at, instance_id, workload_id, replica_kind, replica
        ) as every_us,
        sum(cast(phase_us as hugeint)) over (
            partition by usage_hour_at, instance_id, workload_id, replica_kind, replica order by submitted_at, attempt_id
        ) as until_us,
    from phased
    where is_paying
),

-- what is spent until an attempt is rounded down: the attempts of an hour sum to it exactly
spent as (
    select
        *,
        sign(cost_units) * (
            abs(cost_units) * until_us // every_us - abs(cost_units) * (until_us - phase_us) // every_us
        ) as paid_units,
        cast(held_device_hours * 1000000 as hugeint) * phase_us // every_us as held_millionths,
        cast(known_device_hours * 1000000 as hugeint) as known_millionths,
        cast(busy_device_hours * 1000000 as hugeint) as busy_millionths,
    from shares
),

paid as (
    select
        *,
        paid_units * greatest(known_millionths - busy_millionths, 0) // nullif(known_millionths, 0) as unused_units,
    from spent
),

sums as (
    select
        attempt_id,
        min(workload_id) as workload_id,
        min(cluster) as cluster,
        min(chip) as chip,
        sum(held_millionths) filter (where phase = 'run') as held_millionths,
        sum(held_millionths) filter (where phase = 'run' and cost_units is null) as uncosted_millionths,
        sum(paid_units) filter (where phase = 'run') as run_units,
        sum(paid_units) filter (where phase = 'wait') as wait_units,
        sum(unused_units) filter (where phase = 'run') as unused_units,
        bool_or(cost_status = 'estimated') as is_estimated,
        count(*) filter (where phase = 'run') as run_hours,
    from paid
    group by attempt_id
),

measured as (
    select
        a.*,
        s.workload_id,
        s.cluster,
        s.chip,
        s.held_millionths,
        s.uncosted_millionths,
        s.run_units,
        s.wait_units,
        s.unused_units,
        s.is_estimated,
        (epoch_us(a.wait_until_at) - epoch_us(a.submitted_at)) // 1000000 as wait_seconds,
        coalesce((epoch_us(a.run_until_at) - epoch_us(a.start_at)) // 1000000, 0) as run_seconds,
        case
            when s.run_units is not null then ''
            when a.start_at is null then 'it never ran'
            when b.attempt_id is not null then 'its name stands in several clusters'
            when coalesce(s.run_hours, 0) = 0 then 'no telemetry saw it hold an accelerator'
            else 'no cost by instance: neither bill nor price covers its hours, or a daily group holds several instances'
        end as reason_if_null,
    from attempts as a
    left join sums as s using (attempt_id)
    left join ambiguous as b using (attempt_id)
)

select
    attempt_id,
    coalesce(workload_id, '') as workload_id,
    replica_kind,
    replica,
    coalesce(cluster, nullif(told_cluster, ''), '-') as cluster,
    coalesce(chip, '') as chip,
    outcome,
    submitted_at,
    start_at,
    run_until_at as end_at,
    wait_until_at,
    cast(wait_seconds as bigint) as wait_seconds,
    keeps_devices,
    cast(run_seconds as bigint) as run_seconds,
    coalesce(
        cast(device_count as decimal(18, 6)),
        cast(cast(held_millionths as double) * 3600 / nullif(run_seconds, 0) / 1000000 as decimal(18, 6))
    ) as device_count,
    cast(cast(held_millionths as decimal(28, 0)) * 0.000001 as decimal(18, 6)) as device_hours,
    case
        when held_millionths is not null
            then cast(cast(coalesce(uncosted_millionths, 0) as decimal(28, 0)) * 0.000001 as decimal(18, 6))
    end as uncosted_device_hours,
    cast(cast(run_units as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) as effective_cost_usd,
    cast(cast(unused_units as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) as unused_cost_usd,
    cast(cast(wait_units as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) as waiting_cost_usd,
    case
        when coalesce(run_units, wait_units) is null then ''
        when is_estimated then 'estimated'
        else 'billed'
    end as cost_status,
    reason_if_null,
from measured
