-- stg_api_requests: requests to AWS APIs that charge for them, one row per pull, operation and subject.
-- grain:  asked_at, service, operation, account_id, region, subject
-- column: asked_at | data clock of the pull
-- column: service | CloudWatch or Cost Explorer
-- column: operation | AWS operation
-- column: account_id | account that was asked, '' where the payer answers for all
-- column: region | region that was asked, '' where the service has one endpoint
-- column: subject | metric name for GetMetricData, '' elsewhere
-- column: cost_usd | list price of what was asked
-- check:  fail | cost_usd >= 0 | asking never earns money
-- window: asked_at
select
    asked_at,
    service,
    operation,
    account_id,
    region,
    subject,
    cost_usd,
from raw_api_requests
