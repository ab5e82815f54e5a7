-- state_unchecked: windows that were rebuilt and not yet judged; written by the build, cleared by the checks.
-- grain:  model, start_at, end_at
-- column: model | the model whose rows changed
-- column: start_at | start of the window; 1970-01-01 to 2200-01-01 stands for a model without window
-- column: end_at | end of the window, exclusive
-- check:  fail | start_at < end_at | a window is half-open and not empty
create table if not exists state_unchecked (
    model varchar,
    start_at timestamptz,
    end_at timestamptz
);
