-- raw_benchmarks: measured throughput as files and `chipledger benchmark add` tell it.
-- grain:  delivery_id, line_number
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: line_number | line of the file, from 1
-- column: observed_at | when the file was observed
-- column: workload | workload id, or a workload's name
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
-- column: measured_date | when it was measured
-- column: evidence_grade | as in seed_evidence_grades
-- column: source | where it was published, '' for one's own
-- column: note | what a reader must know
-- column: published_usd_per_hour | price per instance-hour that the publisher used; NULL where not told
-- column: published_cost_usd | cost that the publisher printed, as printed; '' where none
-- column: published_cost_units | units that this cost is for
-- check:  fail | throughput_per_second > 0 | a figure of nothing is a reject
-- check:  fail | fill_ratio > 0 and fill_ratio <= 1 | a job uses some of the instance
-- check:  fail | (latency_metric = '') = (latency_bar_ms is null) | a bar without its metric is a reject
-- window: observed_at
create table if not exists raw_benchmarks (
    delivery_id uuid,
    line_number bigint,
    observed_at timestamptz,
    workload varchar,
    instance_type varchar,
    instance_count integer,
    fill_ratio decimal(9, 6),
    unit varchar,
    throughput_per_second decimal(24, 9),
    software varchar,
    latency_metric varchar,
    latency_percentile decimal(6, 3),
    latency_bar_ms decimal(18, 3),
    run varchar,
    measured_date date,
    evidence_grade varchar,
    source varchar,
    note varchar,
    published_usd_per_hour decimal(18, 10),
    published_cost_usd varchar,
    published_cost_units bigint
);
