-- raw_cost_explorer_resources: daily cost per EC2 instance as Cost Explorer tells it for the last 14 days, where turned on.
-- grain:  delivery_id, group_number
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: group_number | position of the group in the answer, from 1
-- column: usage_date | UTC day
-- column: end_date | day after the period, exclusive
-- column: account_id | linked account
-- column: resource_id | RESOURCE_ID, '' for lines without one
-- column: usage_type | USAGE_TYPE
-- column: unblended_cost | UnblendedCost
-- column: amortized_cost | AmortizedCost
-- column: usage_quantity | UsageQuantity, hours for instances
-- column: currency | unit of the costs
-- column: estimated | true until the month is closed
-- check:  fail | currency = 'USD' | another currency refuses its delivery
-- window: usage_date
create table if not exists raw_cost_explorer_resources (
    delivery_id uuid,
    group_number bigint,
    usage_date date,
    end_date date,
    account_id varchar,
    resource_id varchar,
    usage_type varchar,
    unblended_cost decimal(38, 10),
    amortized_cost decimal(38, 10),
    usage_quantity decimal(38, 10),
    currency varchar,
    estimated boolean
);
