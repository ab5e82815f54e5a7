-- findings: what detect found, one row per finding that the signals hold now.
-- grain:  finding_id
-- column: finding_id | first 16 hex digits of sha256(rule|subject|start_at): the same finding keeps its name over runs
-- column: rule | idle_while_paid, daily_cost_spike or data_quality
-- column: subject | what it is about: a workload_id, account_id/instance_type, or check_id
-- column: severity | critical, warning or info
-- column: status | open while it lasts, closed after
-- column: start_at | when it began, in data time
-- column: detected_at | when the data was enough to know
-- column: end_at | when it ended; NULL while open
-- column: last_seen_at | end of the newest evidence
-- column: observed | what was seen, in `unit`
-- column: expected | what would have been normal, in `unit`
-- column: unit | unit of observed and expected
-- column: impact_usd | USD lost so far, or in total once closed
-- column: impact_usd_per_hour | USD lost per hour
-- column: price_basis | effective (the bill), list (public price) or none (no money)
-- column: evidence | JSON object: where, how many, the largest contributors, the SQL that shows it
-- check:  fail | status in ('open', 'closed') | a finding is one of the two
-- check:  fail | severity in ('critical', 'warning', 'info') | routing knows three severities
-- check:  fail | price_basis in ('effective', 'list', 'none') | a message must label its money
-- check:  fail | (end_at is null) = (status = 'open') | only what is over has an end
create table if not exists findings (
    finding_id varchar,
    rule varchar,
    subject varchar,
    severity varchar,
    status varchar,
    start_at timestamptz,
    detected_at timestamptz,
    end_at timestamptz,
    last_seen_at timestamptz,
    observed double,
    expected double,
    unit varchar,
    impact_usd decimal(38, 10),
    impact_usd_per_hour decimal(38, 10),
    price_basis varchar,
    evidence varchar
);
