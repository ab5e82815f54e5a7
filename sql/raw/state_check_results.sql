-- state_check_results: the newest result of each check over each UTC day it looked at; mart_data_quality shows it.
-- grain:  check_id, window_start_at
-- column: check_id | model:slug; gx:model:slug where great_expectations judged a batch of newest rows
-- column: window_start_at | start of the UTC day the result speaks for; 1970-01-01 when it speaks for the whole table
-- column: window_end_at | end of that time, exclusive; 1970-01-01 when it speaks for the whole table
-- column: model | table that was checked
-- column: why | what a failure means, as the header says it
-- column: severity | critical stops publication, warning and info tell
-- column: status | passed, failed (critical), warned, or skipped where there was no row to judge
-- column: failed_count | rows that break the check
-- column: checked_count | rows that were looked at
-- column: sample_keys | JSON array of up to five grain keys of failing rows, NULL when none fails
-- column: reproduce_sql | a SELECT over the warehouse that returns the failing rows
-- column: first_failed_at | data clock of the first run in an unbroken row of failures, NULL when none fails
-- check:  fail | failed_count >= 0 and checked_count >= 0 | a negative count is a broken check
-- check:  fail | (status in ('failed', 'warned')) = (first_failed_at is not null) | a failure says since when
create table if not exists state_check_results (
    check_id varchar,
    window_start_at timestamptz,
    window_end_at timestamptz,
    model varchar,
    why varchar,
    severity varchar,
    status varchar,
    failed_count bigint,
    checked_count bigint,
    sample_keys varchar,
    reproduce_sql varchar,
    first_failed_at timestamptz
);
