-- sig_daily_cost_spike: days on which an account paid far more for an accelerated instance type than on the days before.
-- grain:  rule, subject, start_at
-- column: rule | daily_cost_spike
-- column: subject | account/instance type
-- column: severity | critical from 1,000 USD above the usual day, else warning
-- column: status | open while the newest complete day still spikes, else closed
-- column: start_at | first day of the spike
-- column: detected_at | when that day's bill counts as complete: two days after it began
-- column: end_at | end of its last day; NULL while open
-- column: last_seen_at | end of its last day
-- column: observed | effective USD of the dearest day
-- column: expected | median effective USD of the days before it
-- column: unit | usd_per_day
-- column: impact_usd | USD above the median, summed over the days of the spike
-- column: impact_usd_per_hour | impact over the hours of the spike
-- column: price_basis | effective
-- column: evidence | JSON: account, instance type, chip, robust z, days of history and a query that shows the days
-- check:  fail | impact_usd >= 100 | a spike of less than 100 USD is no finding

with lines as (
    select
        usage_date,
        account_id,
        instance_type,
        instance_id,
        chip,
        line_class,
        delivered_at,
        effective_cost_usd,
    from int_cost_lines
),

complete_days as (
    select
        account_id,
        usage_date,
    from lines
    group by account_id, usage_date
    -- a bill is about a day late; before that a day is not whole
    having max(delivered_at) >= cast(usage_date as timestamptz) + interval 2 days
),

types as (
    select
        account_id,
        instance_type,
        any_value(chip) as chip,
    from lines
    where line_class = 'accelerator'
    group by account_id, instance_type
),

paid as (
    select
        account_id,
        instance_type,
        usage_date,
        sum(effective_cost_usd) as cost_usd,
    from lines
    where line_class = 'accelerator'
    group by account_id, instance_type, usage_date
),

days as (
    select
        t.account_id,
        t.instance_type,
        d.usage_date,
        coalesce(p.cost_usd, 0) as cost_usd,
    from types as t
    join complete_days as d using (account_id)
    left join paid as p using (account_id, instance_type, usage_date)
),

pairs as (
    select
        x.account_id,
        x.instance_type,
        x.usage_date,
        x.cost_usd,
        cast(h.cost_usd as double) as earlier_usd,
    from days as x
    join days as h
        on
            x.account_id = h.account_id
            and x.instance_type = h.instance_type
            and h.usage_date < x.usage_date
            and h.usage_date >= x.usage_date - 28
),

baselines as (
    select
        account_id,
        instance_type,
        usage_date,
        cost_usd,
        count(*) as history_days,
        round(median(earlier_usd), 10) as median_usd,
        round(mad(earlier_usd), 10) as mad_usd,
    from pairs
    group by account_id, instance_type, usage_date, cost_usd
    having count(*) >= 5
),

scored as (
    select
        *,
        round(
            (cast(cost_usd as double) - median_usd) / greatest(1.4826 * mad_usd, 0.05 * median_usd, 1.0), 6
        ) as robust_z,
        cast(cost_usd - cast(median_usd as decimal(38, 10)) as decimal(38, 10)) as excess_usd,
    from baselines
),

spikes as (
    select
        *,
        usage_date - cast(
            row_number() over (partition by account_id, instance_type order by usage_date) as integer
        ) as episode_date,
    from scored
    where robust_z >= 4 and excess_usd >= 100 and cost_usd >= 1.3 * median_usd
),

instance_costs as (
    select
        s.account_id,
        s.instance_type,
        s.episode_date,
        l.instance_id,
        cast(sum(l.effective_cost_usd) as decimal(38, 2)) as cost_usd,
    from spikes as s
    join lines as l using (account_id, instance_type, usage_date)
    where l.line_class = 'accelerator' and l.instance_id <> ''
    group by s.account_id, s.instance_type, s.episode_date, l.instance_id
),

contributors as (
    select
        account_id,
        instance_type,
        episode_date,
        list(struct_pack(instance := instance_id, cost_usd := cost_usd) order by cost_usd desc, instance_id)[1:3]
            as contributors,
    from instance_costs
    group by account_id, instance_type, episode_date
),

newest_days as (
    select
        account_id,
        max(usage_date) as newest_date,
    from complete_days
    group by account_id
),

episodes as (
    select
        s.account_id,
        s.instance_type,
        s.episode_date,
        min(s.usage_date) as first_date,
        max(s.usage_date) as last_date,
        max(s.usage_date) = any_value(n.newest_date) as is_open,
        max(s.cost_usd) as observed_usd,
        arg_max(s.median_usd, s.cost_usd) as expected_usd,
        max(s.robust_z) as robust_z,
        min(s.history_days) as history_days,
        sum(s.excess_usd) as impact_usd,
        count(*) as day_count,
    from spikes as s
    join newest_days as n using (account_id)
    group by s.account_id, s.instance_type, s.episode_date
)

select
    'daily_cost_spike' as rule,
    e.account_id || '/' || e.instance_type as subject,
    case when e.impact_usd >= 1000 then 'critical' else 'warning' end as severity,
    case when e.is_open then 'open' else 'closed' end as status,
    cast(e.first_date as timestamptz) as start_at,
    cast(e.first_date + 2 as timestamptz) as detected_at,
    case when not e.is_open then cast(e.last_date + 1 as timestamptz) end as end_at,
    cast(e.last_date + 1 as timestamptz) as last_seen_at,
    round(cast(e.observed_usd as double), 2) as observed,
    round(e.expected_usd, 2) as expected,
    'usd_per_day' as unit,
    cast(e.impact_usd as decimal(38, 10)) as impact_usd,
    cast(e.impact_usd / (24 * e.day_count) as decimal(38, 10)) as impact_usd_per_hour,
    'effective' as price_basis,
    cast(
        json_object(
            'account', e.account_id,
            'instance_type', e.instance_type,
            'chip', t.chip,
            'robust_z', e.robust_z,
            'history_days', e.history_days,
            'day_count', e.day_count,
            'contributors', c.contributors,
            'sql',
            'select usage_date, sum(effective_cost_usd) as effective_cost_usd from fct_cost_allocated_hourly'
            || ' where account_id = ''' || e.account_id || ''' and instance_type = ''' || e.instance_type
            || ''' and cost_status = ''billed'' and cost_class in (''workload'', ''idle.unallocated'', ''unattributed'')'
            || ' group by usage_date order by usage_date'
        ) as varchar
    ) as evidence,
from episodes as e
left join types as t using (account_id, instance_type)
left join contributors as c using (account_id, instance_type, episode_date)
