-- state_validating: windows that great_expectations judges at this moment, or judged when it was killed.
-- grain:  model, start_at
-- column: model | table that was rebuilt
-- column: start_at | start of the window
-- column: end_at | end of the window, exclusive
-- check:  fail | start_at < end_at | a window is half-open and not empty
create table if not exists state_validating (
    model varchar,
    start_at timestamptz,
    end_at timestamptz
);
