-- stg_bill_deliveries: the deliveries of CUR and FOCUS exports, also those without lines.
-- grain:  delivery_id
-- column: delivery_id | delivery
-- column: cost_source | cur or focus
-- column: export_name | export; of files without a Manifest their name without shard number
-- column: billing_period | billing period that the delivery replaces; NULL for files without a Manifest
-- column: execution_id | execution of the export; of files without a Manifest their name without shard number
-- column: object | object delivered
-- column: delivered_at | when the supplier made it
-- column: landed_number | its number in the ledger; 0 for deliveries from before there were numbers
-- check:  fail | delivered_at is not null | restatements are ordered by it
-- window: delivered_at

select
    delivery_id,
    source as cost_source,
    export_name,
    billing_period,
    execution_id,
    object,
    delivered_at,
    coalesce(landed_number, 0) as landed_number,
from raw_deliveries
where source in ('cur', 'focus')
