-- stg_benchmarks: every throughput figure once, delivered or built in, by the newest delivery that tells it.
-- grain:  benchmark_id
-- column: benchmark_id | hash of what was measured, where and how
-- column: origin | delivered, or built in
-- column: workload | workload id or name, or model and setup as published
-- column: instance_type | EC2 instance type or TPU slice
-- column: instance_count | instances that gave the throughput together
-- column: fill_ratio | part of the instance's chips that the job used
-- column: unit | what was counted
-- column: throughput_per_second | units per second of all instances together
-- column: software | versions, '' where not told
-- column: latency_metric | latency that was kept under a bar, '' where none was
-- column: latency_percentile | percentile of it
-- column: latency_bar_ms | the bar, milliseconds
-- column: run | which of several runs, '' where there was one
-- column: measured_date | when it was measured; NULL where not told
-- column: evidence_grade | as in seed_evidence_grades
-- column: source | where it was published, '' for one's own
-- column: note | what a reader must know
-- column: published_usd_per_hour | price per instance-hour that the publisher used; NULL where not told
-- column: published_cost_usd | cost that the publisher printed, as printed; '' where none
-- column: published_cost_units | units that this cost is for
-- check:  fail | throughput_per_second > 0 | a figure of nothing is no figure

with told as (
    select
        b.* exclude (delivery_id, line_number, observed_at),
        'delivered' as origin,
        row_number() over (
            partition by
                b.workload,
                b.instance_type,
                b.instance_count,
                b.fill_ratio,
                b.unit,
                b.software,
                b.latency_metric,
                b.latency_percentile,
                b.latency_bar_ms,
                b.measured_date,
                b.run,
                b.source
            order by d.delivered_at desc, b.delivery_id desc, b.line_number desc
        ) as age,
    from raw_benchmarks as b
    join raw_deliveries as d using (delivery_id)
    union all by name
    select
        *,
        'built in' as origin,
        1 as age,
    from seed_published_benchmarks
)

select
    md5(
        concat_ws(
            chr(31),
            origin,
            workload,
            instance_type,
            instance_count,
            fill_ratio,
            unit,
            software,
            latency_metric,
            latency_percentile,
            latency_bar_ms,
            measured_date,
            run,
            source
        )
    ) as benchmark_id,
    origin,
    workload,
    instance_type,
    instance_count,
    fill_ratio,
    unit,
    throughput_per_second,
    software,
    latency_metric,
    latency_percentile,
    latency_bar_ms,
    run,
    measured_date,
    evidence_grade,
    source,
    note,
    published_usd_per_hour,
    published_cost_usd,
    published_cost_units,
from told
where age = 1
