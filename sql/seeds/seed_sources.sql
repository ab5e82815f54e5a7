-- seed_sources: the suppliers of telemetry and bills, who wins where two speak, and how late each may be.
-- grain:  source
-- column: source | name of the supplier as in raw_deliveries
-- column: precedence | 1 speaks first; per accelerator and minute, or per account and billing period
-- column: expected_lag_seconds | after this many seconds without a newer event the source is late
-- column: reason | why that lag is normal
-- check:  fail | expected_lag_seconds > 0 | a source without a lag can never be fresh

select
    source,
    cast(precedence as integer) as precedence,
    cast(expected_lag_seconds as bigint) as expected_lag_seconds,
    reason,
from read_csv($seeds_dir || '/sources.csv', header = true, all_varchar = true)
