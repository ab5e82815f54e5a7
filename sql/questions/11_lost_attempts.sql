-- lost_attempts: how much money went into attempts of jobs that failed, were restarted or pre-empted?
-- column: attempts | attempts that ended in the span, and those still running
-- column: lost_attempts | those that failed, were restarted or pre-empted
-- column: attempts_cost_usd | effective USD of all of them: the device time they held, working or not, before and while they ran
-- column: failed_cost_usd | of those that failed, timed out or lost their node
-- column: restarted_cost_usd | of those that were restarted or requeued
-- column: preempted_cost_usd | of those that were pre-empted or evicted
-- column: cancelled_cost_usd | of those that somebody stopped: not counted as lost
-- column: lost_cost_usd | failed, restarted and pre-empted; NULL with reason_if_null
-- column: lost_unused_cost_usd | the part of lost_cost_usd that paid for time without execution; NULL where no execution is known
-- column: lost_ratio | lost over all; NULL where there is no cost
-- column: uncosted_attempts | attempts that ran and have no cost: not in any USD here
-- column: reason_if_null | why there is no cost, '' where there is one
-- limit:  an attempt counts whole, also where the next one went on from its checkpoint: no source tells what was saved, so this is the most that was lost
-- limit:  hours of an attempt that no money is known for are in no USD: uncosted_device_hours of mart_job_attempts
-- limit:  nodes that stand idle between two attempts are held by nobody: question 21 shows them beside the waiting
-- param:  team = '' | only this team; '' is all
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
with attempts as (
    select
        workload_id,
        outcome,
        reason_if_null,
        start_at,
        unused_cost_usd,
        case
            when effective_cost_usd is not null or waiting_cost_usd is not null
                then coalesce(effective_cost_usd, 0) + coalesce(waiting_cost_usd, 0)
        end as cost_usd,
        outcome in ('failed', 'restarted', 'preempted') as is_lost,
    from mart_job_attempts
    where
        coalesce(end_at, wait_until_at) >= cast($from_date as date)
        and coalesce(end_at, wait_until_at) < cast($to_date as date)
        and outcome <> 'waiting'
),

sums as (
    select
        workload_id,
        count(*) as attempts,
        count(*) filter (where is_lost) as lost_attempts,
        sum(cost_usd) as attempts_cost_usd,
        coalesce(sum(cost_usd) filter (where outcome = 'failed'), 0) as failed_cost_usd,
        coalesce(sum(cost_usd) filter (where outcome = 'restarted'), 0) as restarted_cost_usd,
        coalesce(sum(cost_usd) filter (where outcome = 'preempted'), 0) as preempted_cost_usd,
        coalesce(sum(cost_usd) filter (where outcome = 'cancelled'), 0) as cancelled_cost_usd,
        coalesce(sum(cost_usd) filter (where is_lost), 0) as lost_cost_usd,
        sum(unused_cost_usd) filter (where is_lost) as lost_unused_cost_usd,
        count(*) filter (where cost_usd is null and start_at is not null) as uncosted_attempts,
        string_agg(distinct reason_if_null, '; ' order by reason_if_null) filter (where reason_if_null <> '') as reasons,
    from attempts
    group by workload_id
),

every_workload as (
    select
        workload_id,
        team,
    from dim_workload
    union all
    select
        '' as workload_id,
        '' as team,
    from attempts
    where workload_id = ''
    group by all
)

select
    w.workload_id,
    w.team,
    coalesce(s.attempts, 0) as attempts,
    coalesce(s.lost_attempts, 0) as lost_attempts,
    s.attempts_cost_usd,
    case when s.attempts_cost_usd is not null then s.failed_cost_usd end as failed_cost_usd,
    case when s.attempts_cost_usd is not null then s.restarted_cost_usd end as restarted_cost_usd,
    case when s.attempts_cost_usd is not null then s.preempted_cost_usd end as preempted_cost_usd,
    case when s.attempts_cost_usd is not null then s.cancelled_cost_usd end as cancelled_cost_usd,
    case when s.attempts_cost_usd is not null then s.lost_cost_usd end as lost_cost_usd,
    s.lost_unused_cost_usd,
    cast(s.lost_cost_usd / nullif(s.attempts_cost_usd, 0) as decimal(18, 6)) as lost_ratio,
    coalesce(s.uncosted_attempts, 0) as uncosted_attempts,
    case
        when s.workload_id is null then 'no source tells of attempts'
        when s.attempts_cost_usd is null then s.reasons
        else ''
    end as reason_if_null,
from every_workload as w
left join sums as s using (workload_id)
where $team = '' or w.team = $team
order by lost_cost_usd desc nulls last, w.workload_id
