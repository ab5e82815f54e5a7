-- mart_data_quality: the newest result of every check over every day it looked at, and the query that shows the failing rows.
-- grain:  check_id, window_start_at
-- column: check_id | model:check; gx:model:check where great_expectations judged a batch of the newest rows
-- column: window_start_at | start of the UTC day the result speaks for; 1970-01-01 when it speaks for the whole table
-- column: model | table that was checked
-- column: why | what a failure means
-- column: severity | critical stops publication, warning and info tell
-- column: status | passed, failed, warned or skipped
-- column: failed_count | rows that break the check
-- column: checked_count | rows that were looked at
-- column: sample_keys | JSON array of up to five keys of failing rows; NULL when none fails
-- column: reproduce_sql | query over the warehouse that returns the failing rows
-- column: first_failed_at | when it first failed in an unbroken row of failures; NULL when none fails
-- check:  fail | status in ('passed', 'failed', 'warned', 'skipped') | no other state exists

select
    check_id,
    window_start_at,
    model,
    why,
    severity,
    status,
    failed_count,
    checked_count,
    sample_keys,
    reproduce_sql,
    first_failed_at,
from state_check_results
