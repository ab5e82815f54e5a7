-- raw_dead_letters: announced objects and messages that could not be taken in five tries, with the reason.
-- grain:  entry, died_at
-- column: entry | s3://bucket/key#version or eTag of an announced object; message:<id> of a message that says nothing readable
-- column: object | s3://bucket/key; NULL for a message
-- column: queue | URL of the queue the news came from
-- column: message_id | message that brought the news first
-- column: body | the unreadable message, cut to 2,000 characters; NULL for an object
-- column: reason | why the last try failed
-- column: tries | how often it was tried
-- column: received_at | data clock when the news was stored
-- column: died_at | data clock of the last try
-- check:  fail | reason <> '' | a dead letter without a reason helps nobody
-- check:  fail | tries > 0 | nothing is given up untried
create table if not exists raw_dead_letters (
    entry varchar,
    object varchar,
    queue varchar,
    message_id varchar,
    body varchar,
    reason varchar,
    tries integer,
    received_at timestamptz,
    died_at timestamptz
);
