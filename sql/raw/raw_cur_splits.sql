-- raw_cur_splits: split cost allocation rows of CUR 2.0 exports: AWS's own split of instance-hours among pods and tasks.
-- grain:  delivery_id, line_number
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: line_number | position of the line over the delivery's chunks, from 1
-- column: billing_period | first day of the billed month
-- column: usage_start_at | start of the line's usage
-- column: usage_end_at | end of the line's usage
-- column: account_id | account that used
-- column: usage_type | line_item_usage_type, which tells cpu, memory and accelerator apart
-- column: operation | line_item_operation
-- column: resource_id | ARN of the pod or task
-- column: parent_resource_id | instance whose line is divided, '' where the export lacks the column
-- column: split_usage | max of reserved and actual usage
-- column: actual_usage | used
-- column: reserved_usage | requested
-- column: split_usage_ratio | share of the instance's capacity
-- column: split_cost | USD of the used part, contained in the instance's line
-- column: unused_cost | USD of the instance's unused part laid on this row, contained in the instance's line
-- column: net_split_cost | same after private discounts
-- column: net_unused_cost | same after private discounts
-- column: unblended_cost | line_item_unblended_cost: 0, the money stands on the instance's line
-- column: resource_tags | JSON object key to value, keys sorted
-- check:  warn | unblended_cost = 0 | split rows that are billed themselves: their money is in no line of the bill
-- window: usage_start_at
create table if not exists raw_cur_splits (
    delivery_id uuid,
    line_number bigint,
    billing_period date,
    usage_start_at timestamptz,
    usage_end_at timestamptz,
    account_id varchar,
    usage_type varchar,
    operation varchar,
    resource_id varchar,
    parent_resource_id varchar,
    split_usage decimal(38, 10),
    actual_usage decimal(38, 10),
    reserved_usage decimal(38, 10),
    split_usage_ratio decimal(38, 10),
    split_cost decimal(38, 10),
    unused_cost decimal(38, 10),
    net_split_cost decimal(38, 10),
    net_unused_cost decimal(38, 10),
    unblended_cost decimal(38, 10),
    resource_tags varchar
);
