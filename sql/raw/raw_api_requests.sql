-- raw_api_requests: what pulls asked of the AWS APIs that charge by request, and what that costs at list price.
-- grain:  asked_at, service, operation, account_id, region, subject
-- column: asked_at | data clock of the pull
-- column: service | CloudWatch or Cost Explorer
-- column: operation | AWS operation, like GetMetricData
-- column: account_id | account that was asked, '' where the payer answers for all
-- column: region | region that was asked, '' where the service has one endpoint
-- column: subject | metric name for GetMetricData, '' elsewhere
-- column: start_at | start of the window asked for, NULL where there is none
-- column: end_at | end of that window, exclusive
-- column: planned_units | units predicted before asking: metrics for GetMetricData, requests elsewhere
-- column: counted_units | units really asked for; until the pull has ended, those planned
-- column: cost_usd | counted units at list price
-- column: outcome | whole: all answered and landed; asked: under way, or cut off; failed; left_out: beyond the budget, not asked
-- check:  fail | outcome in ('asked', 'whole', 'failed', 'left_out') | an unknown outcome moves no watermark
-- check:  fail | outcome <> 'left_out' or counted_units = 0 | what was left out costs nothing
-- check:  warn | outcome <> 'whole' or abs(counted_units - planned_units) <= 0.02 * greatest(planned_units, 50) | the planner was more than 2 percent off
-- window: asked_at
create table if not exists raw_api_requests (
    asked_at timestamptz,
    service varchar,
    operation varchar,
    account_id varchar,
    region varchar,
    subject varchar,
    start_at timestamptz,
    end_at timestamptz,
    planned_units bigint,
    counted_units bigint,
    cost_usd decimal(38, 10),
    outcome varchar
);
