-- mart_throughput_ratio: how much more or less one type does of a workload's work than another, per instance, and how sure that is.
-- grain:  workload_id, instance_type_from, instance_type_to
-- column: workload_id | workload, or -/-/published/<name>
-- column: instance_type_from | the one type
-- column: instance_type_to | the other
-- column: figure_set | whose figures speak: own before published or resembled ones; never a mixture
-- column: unit | what was counted
-- column: latency_bar | bar that both sides kept, none where both ran without one; never a mixture, the strictest common one speaks
-- column: throughput_ratio_low | lowest throughput of the other over the one that the evidence allows
-- column: throughput_ratio_mid | between
-- column: throughput_ratio_high | highest
-- column: evidence_grade | grade of the weaker side
-- column: figure_count_from | figures of the one's best grade
-- column: figure_count_to | figures of the other's best grade
-- column: fill_ratio_from_low | least filling of the one's instance in the interval: as measured, or as full as the workload's nodes are
-- column: fill_ratio_from_high | most
-- column: fill_ratio_to_low | the same of the other
-- column: fill_ratio_to_high | most
-- column: measured_date | the older of the newest figures of both sides; NULL where not told
-- column: source | where the figures come from
-- check:  fail | throughput_ratio_low > 0 and throughput_ratio_low <= throughput_ratio_mid and throughput_ratio_mid <= throughput_ratio_high | an interval holds its middle
-- check:  fail | evidence_grade <> 'vendor claim' | a vendor's claim carries no verdict

with graded as (
    select
        *,
        max(grade_rank) over (
            partition by workload_id, figure_set, unit, latency_metric, latency_percentile, latency_bar_ms, instance_type
        ) as best_rank,
    from mart_benchmarks
    where is_admissible
),

sides as (
    select
        workload_id,
        figure_set,
        unit,
        latency_metric,
        latency_percentile,
        latency_bar_ms,
        instance_type,
        any_value(evidence_grade) as evidence_grade,
        any_value(grade_rank) as grade_rank,
        count(*) as figure_count,
        min(filled_throughput_per_second) * case when count(*) = 1 then 1 - any_value(spread_ratio) else 1 end as low,
        median(cast(filled_throughput_per_second as double)) as mid,
        max(filled_throughput_per_second) * case when count(*) = 1 then 1 + any_value(spread_ratio) else 1 end as high,
        min(fill_ratio) as fill_ratio,
        max(measured_date) as measured_date,
        string_agg(distinct source, '; ' order by source) as source,
    from graded
    where grade_rank = best_rank
    group by workload_id, figure_set, unit, latency_metric, latency_percentile, latency_bar_ms, instance_type
),

nodes as (
    select
        workload_id,
        instance_type,
        sum(device_hours) / sum(node_device_hours) as node_fill_ratio,
    from mart_workload_placement_daily
    where
        usage_date > (select max(n.usage_date) - 30 from mart_workload_placement_daily as n)
        and node_device_hours > 0
    group by workload_id, instance_type
),

-- a job that does not fill its instance costs between its share of a full one and the whole of an empty one
filled as (
    select
        s.* exclude (low, mid, high, fill_ratio),
        cast(s.low as double) as low,
        s.mid,
        cast(s.high as double) as high,
        case
            when s.fill_ratio = 1 then 1.0
            when n.node_fill_ratio is null then cast(s.fill_ratio as double)
            else greatest(cast(s.fill_ratio as double), n.node_fill_ratio)
        end as fill_low,
        case
            when s.fill_ratio = 1 or n.node_fill_ratio is null then 1.0
            else greatest(cast(s.fill_ratio as double), n.node_fill_ratio)
        end as fill_high,
    from sides as s
    left join nodes as n using (workload_id, instance_type)
),

pairs as (
    select
        a.workload_id,
        a.instance_type as instance_type_from,
        b.instance_type as instance_type_to,
        a.figure_set,
        a.unit,
        case
            when a.latency_metric = '' then 'none'
            else concat(
                a.latency_metric,
                coalesce(' p' || rtrim(rtrim(cast(a.latency_percentile as varchar), '0'), '.'), ''),
                ' <= ', rtrim(rtrim(cast(a.latency_bar_ms as varchar), '0'), '.'), ' ms'
            )
        end as latency_bar,
        b.low * b.fill_low / (a.high * a.fill_high) as ratio_low,
        b.mid * sqrt(b.fill_low * b.fill_high) / (a.mid * sqrt(a.fill_low * a.fill_high)) as ratio_mid,
        b.high * b.fill_high / (a.low * a.fill_low) as ratio_high,
        case when a.grade_rank <= b.grade_rank then a.evidence_grade else b.evidence_grade end as evidence_grade,
        a.figure_count as figure_count_from,
        b.figure_count as figure_count_to,
        a.fill_low as fill_from_low,
        a.fill_high as fill_from_high,
        b.fill_low as fill_to_low,
        b.fill_high as fill_to_high,
        least(a.measured_date, b.measured_date) as measured_date,
        case when a.source = b.source then a.source else concat_ws('; ', nullif(a.source, ''), nullif(b.source, '')) end
            as source,
        row_number() over (
            partition by a.workload_id, a.instance_type, b.instance_type
            order by
                a.figure_set in ('own', 'published') desc,
                a.latency_bar_ms asc nulls last,
                a.latency_metric,
                a.latency_percentile desc,
                least(a.grade_rank, b.grade_rank) desc,
                a.figure_set,
                a.unit
        ) as choice,
    from filled as a
    join filled as b
        on
            a.workload_id = b.workload_id
            and a.figure_set = b.figure_set
            and a.unit = b.unit
            and a.latency_metric = b.latency_metric
            and a.latency_percentile is not distinct from b.latency_percentile
            and a.latency_bar_ms is not distinct from b.latency_bar_ms
            and a.instance_type <> b.instance_type
)

select
    workload_id,
    instance_type_from,
    instance_type_to,
    figure_set,
    unit,
    latency_bar,
    cast(ratio_low as decimal(18, 9)) as throughput_ratio_low,
    cast(ratio_mid as decimal(18, 9)) as throughput_ratio_mid,
    cast(ratio_high as decimal(18, 9)) as throughput_ratio_high,
    evidence_grade,
    figure_count_from,
    figure_count_to,
    cast(fill_from_low as decimal(9, 6)) as fill_ratio_from_low,
    cast(fill_from_high as decimal(9, 6)) as fill_ratio_from_high,
    cast(fill_to_low as decimal(9, 6)) as fill_ratio_to_low,
    cast(fill_to_high as decimal(9, 6)) as fill_ratio_to_high,
    measured_date,
    source,
from pairs
where choice = 1
