-- raw_rejects: records that could not be read, with the place to look.
-- grain:  delivery_id, line_number, reason
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: source | supplier and format of the delivery
-- column: object | object the record stood in
-- column: line_number | line, record or row in the object, from 1
-- column: reason | why it was rejected
-- column: text | the record, cut to 500 characters
-- check:  fail | reason <> '' | a reject without a reason helps nobody
-- check:  fail | length(text) <= 500 | texts are cut so that one line cannot fill the disk
create table if not exists raw_rejects (
    delivery_id uuid,
    source varchar,
    object varchar,
    line_number bigint,
    reason varchar,
    text varchar
);
