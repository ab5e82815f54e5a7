-- mart_anomalies: every finding with its money, its evidence and whether it still goes on.
-- grain:  finding_id
-- column: finding_id | stable name of the finding: first 16 hex digits of sha256(rule|subject|opened_at)
-- column: rule | idle_while_paid, daily_cost_spike or data_quality
-- column: subject | what it is about: a workload_id, account_id/instance_type, or check_id
-- column: severity | critical, warning or info
-- column: status | open while it lasts, closed after
-- column: opened_at | when it began, in data time
-- column: detected_at | when the data was enough to know
-- column: closed_at | when it ended; NULL while open
-- column: last_seen_at | end of the newest evidence
-- column: observed | what was seen, in `unit`
-- column: expected | what would have been normal, in `unit`
-- column: unit | unit of observed and expected
-- column: impact_usd | USD lost so far, or in total once closed
-- column: impact_usd_per_hour | USD lost per hour
-- column: price_basis | effective (the bill), list (public price) or none (no money)
-- column: evidence | JSON object: where, how many, the largest contributors, the SQL that shows it
-- check:  fail | opened_at <= last_seen_at | a finding begins before it is last seen
-- check:  fail | (closed_at is null) = (status = 'open') | only what is over has an end
select
    finding_id,
    rule,
    subject,
    severity,
    status,
    start_at as opened_at,
    detected_at,
    end_at as closed_at,
    last_seen_at,
    observed,
    expected,
    unit,
    impact_usd,
    impact_usd_per_hour,
    price_basis,
    evidence
from findings
