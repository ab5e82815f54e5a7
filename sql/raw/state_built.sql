-- state_built: how far into the ledger of deliveries the last build saw; one row.
-- grain:  deliveries_seen
-- column: deliveries_seen | raw_deliveries.landed_number of the newest delivery that the built tables hold
-- check:  fail | deliveries_seen >= 0 | deliveries are counted from 1
create table if not exists state_built (
    deliveries_seen bigint
);
