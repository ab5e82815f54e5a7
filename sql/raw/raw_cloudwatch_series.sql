-- raw_cloudwatch_series: every CloudWatch series ever found, since ListMetrics forgets one 14 days after its last point while the data stays 15 months.
-- grain:  account_id, region, metric_namespace, metric_name, dimensions
-- column: account_id | account that was asked
-- column: region | region that was asked
-- column: metric_namespace | CloudWatch namespace
-- column: metric_name | CloudWatch metric name
-- column: dimensions | its dimensions as a JSON object, sorted by name
-- column: first_seen_at | data clock of the first listing that named it
-- column: last_seen_at | data clock of the newest listing that named it
-- check:  fail | first_seen_at <= last_seen_at | a series cannot be forgotten before it was found
create table if not exists raw_cloudwatch_series (
    account_id varchar,
    region varchar,
    metric_namespace varchar,
    metric_name varchar,
    dimensions varchar,
    first_seen_at timestamptz,
    last_seen_at timestamptz
);
