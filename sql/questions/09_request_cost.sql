-- request_cost: what does an inference cost, and a thousand requests, at which p95 latency, by workload, chip and week?
-- column: week_date | Monday of the ISO week, UTC
-- column: requests | requests of days that have both money and a count
-- column: effective_cost_usd | the whole cost of the workload on those days, hours without a request included
-- column: uncosted_days | days left out, since money or count is missing
-- column: usd_per_request | cost over requests: an inference is a request
-- column: usd_per_thousand_requests | the same per thousand
-- column: latency_told_ratio | part of the week's requests whose latency is told
-- column: latency_p95_ms_low | lowest p95 told of a pod's stretch of time: the p95 of them all lies between the two. NULL where none is told
-- column: latency_p95_ms_high | highest
-- column: requests_within_bar | requests of hours whose highest p95 told is within the bar
-- column: usd_per_thousand_requests_within_bar | the whole cost over those requests alone: what a thousand cost that kept the bar
-- column: reason_if_null | why a figure is missing, '' where none is
-- limit:  a p95 is told with the count (latency_p95_ms of work units) and cannot be added up: over several stretches only its bounds are known
-- limit:  requests answered too slowly are no less paid for: they are in every cost here, and leave the last two columns only
-- param:  bar_ms = 1000 | p95 latency to keep, milliseconds
-- param:  workload_id = '' | only this workload; '' is all
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
with days as (
    select
        *,
        cost_per_million_units_usd is not null as is_costed,
    from mart_unit_cost_daily
    where
        unit = 'requests'
        and usage_date >= cast($from_date as date) and usage_date < cast($to_date as date)
        and ($workload_id = '' or workload_id = $workload_id)
),

latencies as (
    select
        cast(date_trunc('week', h.usage_date) as date) as week_date,
        h.workload_id,
        h.chip,
        sum(h.units) as units,
        sum(h.latency_units) as latency_units,
        min(h.latency_p95_ms_low) as latency_p95_ms_low,
        max(h.latency_p95_ms_high) as latency_p95_ms_high,
        sum(h.latency_units) filter (where h.latency_p95_ms_high <= cast($bar_ms as decimal(18, 3))) as units_within_bar,
    from mart_unit_cost_hourly as h
    inner join days as d using (usage_date, workload_id, chip, unit)
    where d.is_costed
    group by all
),

weeks as (
    select
        cast(date_trunc('week', usage_date) as date) as week_date,
        workload_id,
        chip,
        sum(units) filter (where is_costed) as requests,
        sum(effective_cost_usd) filter (where is_costed) as effective_cost_usd,
        count(*) filter (where not is_costed) as uncosted_days,
        string_agg(distinct reason_if_null, ', ' order by reason_if_null) filter (where not is_costed) as reasons,
    from days
    group by all
)

select
    w.week_date,
    w.workload_id,
    w.chip,
    w.requests,
    w.effective_cost_usd,
    w.uncosted_days,
    cast(w.effective_cost_usd / nullif(w.requests, 0) as decimal(38, 10)) as usd_per_request,
    cast(1000 * w.effective_cost_usd / nullif(w.requests, 0) as decimal(38, 10)) as usd_per_thousand_requests,
    cast(l.latency_units / nullif(l.units, 0) as decimal(18, 6)) as latency_told_ratio,
    l.latency_p95_ms_low,
    l.latency_p95_ms_high,
    case when l.latency_units > 0 then coalesce(l.units_within_bar, 0) end as requests_within_bar,
    cast(1000 * w.effective_cost_usd / nullif(l.units_within_bar, 0) as decimal(38, 10))
        as usd_per_thousand_requests_within_bar,
    concat_ws(
        '; ',
        case when w.requests is null then w.reasons end,
        case when w.requests > 0 and coalesce(l.latency_units, 0) = 0 then 'no source tells the latency' end,
        case
            when w.requests > 0 and l.latency_units > 0 and coalesce(l.units_within_bar, 0) = 0
                then 'no hour kept the bar'
        end
    ) as reason_if_null,
from weeks as w
left join latencies as l using (week_date, workload_id, chip)
order by w.week_date, w.workload_id, w.chip
