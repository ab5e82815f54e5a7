-- int_benchmarks: every throughput figure with what it costs, its weight as evidence, and whether it may speak at all.
-- grain:  benchmark_id
-- column: benchmark_id | hash of what was measured, where and how
-- column: origin | delivered, or built in
-- column: workload | workload id or name, or model and setup as published
-- column: instance_type | EC2 instance type or TPU slice
-- column: chip | chip; '' where the type is unknown
-- column: instance_count | instances that gave the throughput together
-- column: fill_ratio | part of the instance's chips that the job used
-- column: unit | what was counted
-- column: throughput_per_second | units per second and instance, as measured
-- column: filled_throughput_per_second | the same if as many such jobs ran as the instance has room for
-- column: software | versions, '' where not told
-- column: latency_metric | latency that was kept under a bar, '' where none was
-- column: latency_percentile | percentile of it
-- column: latency_bar_ms | the bar, milliseconds
-- column: run | which of several runs, '' where there was one
-- column: measured_date | when it was measured; NULL where not told
-- column: evidence_grade | as in seed_evidence_grades
-- column: grade_rank | the higher speaks before the lower
-- column: spread_ratio | half width of the interval that the figure alone gets
-- column: source | where it was published, '' for one's own
-- column: note | what a reader must know
-- column: published_usd_per_hour | price per instance-hour that the publisher used; NULL where not told
-- column: published_cost_usd | cost that the publisher printed; NULL where none
-- column: published_cost_units | units that this cost is for
-- column: recomputed_cost_usd | the same cost from price and throughput; NULL where the price is not told
-- column: is_consistent | printed and recomputed cost agree within 1 % and rounding; NULL where one is missing
-- column: is_admissible | it may carry a verdict
-- column: refused_because | why not, '' where it may
-- check:  fail | is_admissible = (refused_because = '') | what is refused has a reason
-- check:  fail | is_consistent is distinct from false or not is_admissible | a figure that contradicts its own table carries no verdict
-- check:  warn | origin = 'built in' or is_consistent is distinct from false | a delivered table contradicts itself: throughput, price and cost do not belong together
-- check:  warn | chip <> '' | a figure of an instance type that no seed knows: add it to sql/seeds/comparison_types.csv

with recomputed as (
    select
        b.*,
        b.throughput_per_second as told_throughput_per_second,
        cast(b.published_usd_per_hour as double) * b.instance_count * b.published_cost_units
        / (cast(b.throughput_per_second as double) * 3600) as recomputed_usd,
        cast(nullif(b.published_cost_usd, '') as decimal(24, 10)) as printed_usd,
        -- half a unit of the last printed digit
        0.5 * pow(10, -length(split_part(b.published_cost_usd, '.', 2))) as rounding_usd,
    from stg_benchmarks as b
),

judged as (
    select
        *,
        abs(recomputed_usd - printed_usd) <= 0.01 * printed_usd + rounding_usd as is_consistent,
    from recomputed
),

-- the figures of one source are one table: who gets one row wrong is not believed in the next
tables as (
    select
        origin,
        source,
        arg_min(workload || ' on ' || instance_type, benchmark_id) as shown_row,
        arg_min(printf('%.2f', cast(printed_usd as double)), benchmark_id) as shown_printed,
        arg_min(printf('%.2f', recomputed_usd), benchmark_id) as shown_recomputed,
    from judged
    where not is_consistent and source <> ''
    group by origin, source
),

reasoned as (
    select
        j.*,
        coalesce(t.chip, '') as chip,
        coalesce(g.grade_rank, 0) as grade_rank,
        coalesce(g.spread_ratio, 0) as spread_ratio,
        case
            when not coalesce(g.is_admissible, false)
                then coalesce(j.evidence_grade || ': ' || g.reason, 'unknown grade ' || j.evidence_grade)
            when not j.is_consistent
                then printf(
                    'its own price and throughput give %.2f USD, it prints %.2f', j.recomputed_usd,
                    cast(j.printed_usd as double)
                )
            when s.source is not null
                then concat(
                    'its table contradicts itself: ', s.shown_row, ' prints ', s.shown_printed,
                    ' USD where price and throughput give ', s.shown_recomputed
                )
            when t.chip is null then 'unknown instance type ' || j.instance_type
            else ''
        end as refused_because,
    from judged as j
    left join seed_evidence_grades as g using (evidence_grade)
    left join int_comparison_types as t using (instance_type)
    left join tables as s on j.origin = s.origin and j.source = s.source
)

select
    benchmark_id,
    origin,
    workload,
    instance_type,
    chip,
    instance_count,
    fill_ratio,
    unit,
    cast(cast(told_throughput_per_second as double) / instance_count as decimal(24, 9)) as throughput_per_second,
    cast(
        cast(told_throughput_per_second as double) / instance_count / cast(fill_ratio as double) as decimal(24, 9)
    ) as filled_throughput_per_second,
    software,
    latency_metric,
    latency_percentile,
    latency_bar_ms,
    run,
    measured_date,
    evidence_grade,
    grade_rank,
    spread_ratio,
    source,
    note,
    published_usd_per_hour,
    printed_usd as published_cost_usd,
    published_cost_units,
    cast(recomputed_usd as decimal(24, 10)) as recomputed_cost_usd,
    is_consistent,
    refused_because = '' as is_admissible,
    refused_because,
from reasoned
