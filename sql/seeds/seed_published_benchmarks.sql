-- seed_published_benchmarks: throughput that others published, with the price and the cost they published beside it.
-- grain:  workload, instance_type, unit, source, latency_metric, run
-- column: workload | model and setup as published
-- column: instance_type | EC2 instance type
-- column: instance_count | instances that gave the throughput together
-- column: fill_ratio | part of the instance's chips that the job used
-- column: unit | what was counted
-- column: throughput_per_second | units per second
-- column: software | versions as published, '' where not told
-- column: latency_metric | latency that was kept under a bar, '' where none was
-- column: latency_percentile | percentile of it
-- column: latency_bar_ms | the bar, milliseconds
-- column: run | which of several runs, '' where there was one
-- column: measured_date | when it was measured or published; NULL where not told
-- column: evidence_grade | as in seed_evidence_grades
-- column: source | where it was published; the figures of one source are one table
-- column: note | what a reader must know
-- column: published_usd_per_hour | price per instance-hour that the publisher used; NULL where not told
-- column: published_cost_usd | cost that the publisher printed, as printed; '' where none
-- column: published_cost_units | units that this cost is for
-- check:  fail | throughput_per_second > 0 | a figure of nothing is no figure
-- check:  fail | fill_ratio > 0 and fill_ratio <= 1 | a job uses some of the instance
-- check:  fail | (latency_metric = '') = (latency_bar_ms is null) | a bar has a metric

select
    workload,
    instance_type,
    cast(instance_count as integer) as instance_count,
    cast(fill_ratio as decimal(9, 6)) as fill_ratio,
    unit,
    cast(throughput_per_second as decimal(24, 9)) as throughput_per_second,
    coalesce(software, '') as software,
    coalesce(latency_metric, '') as latency_metric,
    cast(nullif(latency_percentile, '') as decimal(6, 3)) as latency_percentile,
    cast(nullif(latency_bar_ms, '') as decimal(18, 3)) as latency_bar_ms,
    coalesce(run, '') as run,
    cast(nullif(measured_date, '') as date) as measured_date,
    evidence_grade,
    source,
    coalesce(note, '') as note,
    cast(nullif(published_usd_per_hour, '') as decimal(18, 10)) as published_usd_per_hour,
    coalesce(published_cost_usd, '') as published_cost_usd,
    cast(nullif(published_cost_units, '') as bigint) as published_cost_units,
from read_csv($seeds_dir || '/published_benchmarks.csv', header = true, all_varchar = true)
