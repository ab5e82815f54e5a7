-- raw_deliveries: the ledger of landed deliveries; written in the transaction of its rows.
-- grain:  delivery_id
-- column: delivery_id | first 16 bytes of sha256 over source, content hash and known observation time
-- column: source | supplier and format, one of the contract's source names
-- column: object | path relative to the swept root, or s3://bucket/key; of a cost export its Manifest
-- column: content_sha256 | sha256 of the object's bytes, hex; of a cost export over its chunks
-- column: observed_at | observation time of the delivery, first rule that applies
-- column: time_guessed | true when the observation time is only the file's mtime
-- column: delivered_at | when the supplier handed it out; orders restatements
-- column: interval_ms | sample interval asked for with --interval, NULL when not given
-- column: event_start_at | earliest event in the rows, NULL without rows
-- column: event_end_at | end of the events, exclusive, NULL without rows
-- column: row_count | rows landed in all raw tables
-- column: reject_count | records in raw_rejects
-- column: unmapped_count | samples of metrics that have no column
-- column: byte_count | size of the object as stored
-- column: export_name | name of the cost export, NULL otherwise
-- column: billing_period | first day of the billed month, NULL otherwise
-- column: execution_id | execution of the cost export; of a lake dump, the hash of its mapping; NULL otherwise
-- column: arrived_at | when landing committed it; this and the next column depend on the run
-- column: landed_number | its place in the ledger, from 1: later transactions have higher numbers; NULL before there were numbers
-- check:  fail | row_count >= 0 and reject_count >= 0 | a negative count is a broken ledger
-- check:  fail | event_start_at is null or event_start_at < event_end_at | an event window is half-open and not empty
create table if not exists raw_deliveries (
    delivery_id uuid,
    source varchar,
    object varchar,
    content_sha256 varchar,
    observed_at timestamptz,
    time_guessed boolean,
    delivered_at timestamptz,
    interval_ms bigint,
    event_start_at timestamptz,
    event_end_at timestamptz,
    row_count bigint,
    reject_count bigint,
    unmapped_count bigint,
    byte_count bigint,
    export_name varchar,
    billing_period date,
    execution_id varchar,
    arrived_at timestamptz,
    landed_number bigint
);
