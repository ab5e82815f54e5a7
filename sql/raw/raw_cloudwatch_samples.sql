-- raw_cloudwatch_samples: datapoints of CloudWatch metrics, finest dimension set only; the delivery's interval_ms is their period.
-- grain:  delivery_id, series_key, sample_at
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: series_key | what was measured (raw_cloudwatch_series)
-- column: sample_at | START of the period, as CloudWatch stamps it
-- column: value | value in the unit that seed_cloudwatch_metrics declares
-- check:  fail | sample_at is not null | a datapoint must stand for some time
-- window: sample_at
create table if not exists raw_cloudwatch_samples (
    delivery_id uuid,
    series_key bigint,
    sample_at timestamptz,
    value double
);
