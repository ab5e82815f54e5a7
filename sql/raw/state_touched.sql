-- state_touched: windows the next build must rebuild; cleared by the build.
-- grain:  table_name, start_at, end_at
-- column: table_name | raw table that changed
-- column: start_at | start of the window
-- column: end_at | end of the window, exclusive
-- check:  fail | start_at < end_at | a window is half-open and not empty
create table if not exists state_touched (
    table_name varchar,
    start_at timestamptz,
    end_at timestamptz
);
