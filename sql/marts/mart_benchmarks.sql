-- mart_benchmarks: every throughput figure, whose it is, what it costs, and why it may not speak where it may not.
-- grain:  benchmark_id, workload_id
-- column: benchmark_id | hash of what was measured, where and how
-- column: workload_id | workload it speaks for; -/-/published/<name> for what others published, -/-/-/<name> for a name that no workload has yet
-- column: figure_set | own, published, or the published benchmark that the settings say the workload resembles
-- column: benchmark | workload or model and setup as told
-- column: origin | delivered, or built in
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
-- column: evidence_grade | vendor claim, vendor table, partner, independent, own measurement, or withdrawn
-- column: grade_rank | the higher speaks before the lower
-- column: spread_ratio | half width of the interval that the figure alone gets
-- column: source | where it was published, '' for one's own
-- column: note | what a reader must know
-- column: published_usd_per_hour | price per instance-hour that the publisher used; NULL where not told
-- column: published_cost_usd | cost that the publisher printed; NULL where none
-- column: published_cost_units | units that this cost is for
-- column: recomputed_cost_usd | the same cost from price and throughput; NULL where the price is not told
-- column: filled_cost_usd | the same on an instance that such jobs fill
-- column: is_consistent | printed and recomputed cost agree; NULL where one is missing
-- column: is_admissible | it may carry a verdict
-- column: refused_because | why not, '' where it may
-- check:  fail | workload_id <> '' | a figure speaks for somebody

with named as (
    select
        b.benchmark_id,
        case when b.origin = 'built in' then 'published' else 'own' end as figure_set,
        b.workload,
    from int_benchmarks as b
    union all
    select
        b.benchmark_id,
        s.resembles as figure_set,
        s.workload,
    from int_comparison_settings as s
    join int_benchmarks as b on s.resembles = b.workload
    where s.workload <> ''
),

placed as (
    select
        n.benchmark_id,
        n.figure_set,
        case
            when n.figure_set = 'published' then '-/-/published/' || n.workload
            when len(string_split(n.workload, '/')) >= 4 then n.workload
            else coalesce(w.workload_id, '-/-/-/' || n.workload)
        end as workload_id,
    from named as n
    left join dim_workload as w on n.figure_set <> 'published' and n.workload = w.workload
),

-- a figure speaks once for a workload
resolved as (
    select
        benchmark_id,
        workload_id,
        min(figure_set) as figure_set,
    from placed
    group by benchmark_id, workload_id
)

select
    b.benchmark_id,
    r.workload_id,
    r.figure_set,
    b.workload as benchmark,
    b.origin,
    b.instance_type,
    b.chip,
    b.instance_count,
    b.fill_ratio,
    b.unit,
    b.throughput_per_second,
    b.filled_throughput_per_second,
    b.software,
    b.latency_metric,
    b.latency_percentile,
    b.latency_bar_ms,
    b.run,
    b.measured_date,
    b.evidence_grade,
    b.grade_rank,
    b.spread_ratio,
    b.source,
    b.note,
    b.published_usd_per_hour,
    b.published_cost_usd,
    b.published_cost_units,
    b.recomputed_cost_usd,
    cast(b.recomputed_cost_usd * b.fill_ratio as decimal(24, 10)) as filled_cost_usd,
    b.is_consistent,
    b.is_admissible,
    b.refused_because,
from int_benchmarks as b
join resolved as r using (benchmark_id)
