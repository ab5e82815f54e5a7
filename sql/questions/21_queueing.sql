-- queueing: does work wait while paid accelerators stand idle, and what would waiting less cost against having too much?
-- column: idle_cost_usd | effective USD of accelerators that nobody held: the next three add up to it
-- column: idle_while_waiting_usd | of hours in which work of the cluster waited for that chip: reserved, but waiting. NULL with reason_if_null
-- column: over_provision_usd | of hours in which nothing waited for it
-- column: idle_untold_usd | of hours before the first or after the last word of a scheduler on that cluster
-- column: reserved_unused_usd | effective USD of what was reserved and had no instance at all
-- column: held_while_waiting_usd | effective USD of what attempts held in hours before they ran: part of a workload's cost, not of idle
-- column: waited_attempts | attempts that waited for accelerators; a pod that restarts in place keeps its own and is no such
-- column: waiting_hours | hours they waited, added up
-- column: waiting_device_hours | the same times the accelerators each asked for or later held; NULL where none of them is known
-- column: capacity_for_waiting_usd | those device-hours at what a device-hour of that chip cost in the cluster: what it would have cost to let nothing wait, if it had been bought besides
-- column: usd_per_device_hour | that rate, idle time included
-- column: reason_if_null | why a figure is missing, '' where none is
-- limit:  waiting is known where a scheduler's attempts are delivered (job_attempts). What a late result costs its owner no source tells: capacity_for_waiting_usd is the price of the other way, not the damage
-- limit:  by whole hours: an hour counts as waiting where anything waited in any minute of it
-- limit:  an attempt that never held anything waits for a chip that nobody knows: it stands in a row of its own
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
with told as (
    select
        cluster,
        min(submitted_at) as from_at,
        max(coalesce(end_at, wait_until_at)) as until_at,
    from mart_job_attempts
    group by cluster
),

waits as (
    select
        cluster,
        chip,
        attempt_id,
        device_count,
        waiting_cost_usd,
        greatest(submitted_at, cast($from_date as timestamptz)) as from_at,
        least(wait_until_at, cast($to_date as timestamptz)) as until_at,
    from mart_job_attempts
    where
        wait_seconds > 0 and not keeps_devices
        and submitted_at < cast($to_date as timestamptz) and wait_until_at > cast($from_date as timestamptz)
),

waiting_hours as (
    select distinct
        cluster,
        chip,
        unnest(generate_series(
            date_trunc('hour', from_at), date_trunc('hour', until_at - interval 1 microsecond), interval 1 hour
        )) as usage_hour_at,
    from waits
),

waited as (
    select
        cluster,
        chip,
        count(*) as waited_attempts,
        sum(epoch_us(until_at) - epoch_us(from_at)) as waited_us,
        sum(cast(epoch_us(until_at) - epoch_us(from_at) as decimal(28, 0)) * device_count) as waited_device_us,
        sum(waiting_cost_usd) as held_while_waiting_usd,
    from waits
    group by cluster, chip
),

paid as (
    select
        c.cluster,
        c.chip,
        sum(c.effective_cost_usd) filter (where c.cost_class <> 'idle.reserved_unused') as paid_usd,
        coalesce(sum(c.effective_cost_usd) filter (where c.cost_class = 'idle.unallocated'), 0) as idle_cost_usd,
        coalesce(
            sum(c.effective_cost_usd) filter (where c.cost_class = 'idle.unallocated' and w.chip is not null), 0
        ) as idle_while_waiting_usd,
        coalesce(
            sum(c.effective_cost_usd) filter (
                where c.cost_class = 'idle.unallocated' and w.chip is null
                and (
                    t.cluster is null
                    or c.usage_hour_at < date_trunc('hour', t.from_at)
                    or c.usage_hour_at >= t.until_at
                )
            ), 0
        ) as idle_untold_usd,
        coalesce(sum(c.effective_cost_usd) filter (where c.cost_class = 'idle.reserved_unused'), 0)
            as reserved_unused_usd,
        bool_or(t.cluster is not null) as is_told,
    from fct_cost_allocated_hourly as c
    left join told as t using (cluster)
    left join waiting_hours as w using (cluster, chip, usage_hour_at)
    where
        c.cost_class in ('workload', 'idle.unallocated', 'idle.reserved_unused', 'unattributed')
        and c.chip <> 'other'
        and c.usage_date >= cast($from_date as date) and c.usage_date < cast($to_date as date)
    group by c.cluster, c.chip
),

capacity as (
    select
        cluster,
        chip,
        sum(device_hours) as device_hours,
    from mart_accelerator_utilization_daily
    where usage_date >= cast($from_date as date) and usage_date < cast($to_date as date)
    group by cluster, chip
),

beside as (
    select
        coalesce(p.cluster, w.cluster) as cluster,
        coalesce(p.chip, w.chip) as chip,
        p.idle_cost_usd,
        case when p.is_told then p.idle_while_waiting_usd end as idle_while_waiting_usd,
        case when p.is_told then p.idle_cost_usd - p.idle_while_waiting_usd - p.idle_untold_usd end as over_provision_usd,
        p.idle_untold_usd,
        p.reserved_unused_usd,
        w.held_while_waiting_usd,
        coalesce(w.waited_attempts, 0) as waited_attempts,
        cast(w.waited_us / 3600000000 as decimal(18, 6)) as waiting_hours,
        cast(w.waited_device_us / 3600000000 as decimal(18, 6)) as waiting_device_hours,
        cast(p.paid_usd / nullif(c.device_hours, 0) as decimal(38, 10)) as usd_per_device_hour,
        coalesce(p.is_told, true) as is_told,
    from paid as p
    full join waited as w on p.cluster = w.cluster and p.chip = w.chip
    left join capacity as c on p.cluster = c.cluster and p.chip = c.chip
)

select
    cluster,
    chip,
    idle_cost_usd,
    idle_while_waiting_usd,
    over_provision_usd,
    idle_untold_usd,
    reserved_unused_usd,
    held_while_waiting_usd,
    waited_attempts,
    case when is_told then coalesce(waiting_hours, 0) end as waiting_hours,
    case when is_told and waited_attempts = 0 then 0 else waiting_device_hours end as waiting_device_hours,
    cast(
        case when is_told and waited_attempts = 0 then 0 else waiting_device_hours * usd_per_device_hour end
        as decimal(38, 10)
    ) as capacity_for_waiting_usd,
    usd_per_device_hour,
    case
        when not is_told then 'no scheduler tells what waited in this cluster'
        when chip = '' then 'waited for a chip that nobody knows'
        when waited_attempts > 0 and waiting_device_hours is null then 'nobody tells how many accelerators they wanted'
        when usd_per_device_hour is null then 'no money or time of this chip in this cluster'
        else ''
    end as reason_if_null,
from beside
order by idle_while_waiting_usd desc nulls last, idle_cost_usd desc nulls last, cluster, chip
