-- state_seen: objects a sweep has landed, to skip them unread.
-- grain:  object
-- column: object | absolute path of the file, or s3://bucket/key
-- column: byte_count | size when landed
-- column: modified_at | modification time when landed
-- column: delivery_id | the delivery it became
-- check:  fail | byte_count > 0 | an empty object is refused, never landed
create table if not exists state_seen (
    object varchar,
    byte_count bigint,
    modified_at timestamptz,
    delivery_id uuid
);
