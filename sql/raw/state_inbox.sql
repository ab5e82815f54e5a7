-- state_inbox: objects that messages announced and that have not landed yet; what landed, or was given up, is gone.
-- grain:  entry
-- column: entry | s3://bucket/key#version or eTag of an announced object; message:<id> of a message that says nothing readable
-- column: bucket | bucket of the object, NULL for a message
-- column: object_key | key of the object, decoded; NULL for a message
-- column: version | version id of the object, '' in a bucket without versions; NULL for a message
-- column: queue | URL of the queue the news came from
-- column: message_id | message that brought the news first
-- column: body | the message; NULL once it was understood
-- column: received_at | data clock when the news was stored
-- column: tries | how often it could not be taken so far
-- column: next_try_at | data clock from which it is tried again
-- column: reason | why the last try failed, '' before the first
-- check:  fail | tries >= 0 and tries < 5 | after the fifth try an entry moves to raw_dead_letters
create table if not exists state_inbox (
    entry varchar,
    bucket varchar,
    object_key varchar,
    version varchar,
    queue varchar,
    message_id varchar,
    body varchar,
    received_at timestamptz,
    tries integer,
    next_try_at timestamptz,
    reason varchar
);
