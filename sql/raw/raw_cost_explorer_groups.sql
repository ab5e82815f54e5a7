-- raw_cost_explorer_groups: groups of Cost Explorer response pages.
-- grain:  delivery_id, group_number
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: group_number | position of the group in the page, from 1
-- column: usage_date | UTC day
-- column: end_date | day after the period, exclusive
-- column: account_id | linked account
-- column: record_type | RECORD_TYPE in the group, '' when not grouped or filtered by it
-- column: usage_type | USAGE_TYPE, '' when not grouped by it
-- column: instance_type | INSTANCE_TYPE, '' when not grouped by it
-- column: service | SERVICE, '' when not grouped by it
-- column: unblended_cost | UnblendedCost
-- column: blended_cost | BlendedCost, NULL when not asked for
-- column: amortized_cost | AmortizedCost, NULL when not asked for
-- column: net_amortized_cost | NetAmortizedCost, NULL when not asked for
-- column: usage_quantity | UsageQuantity, NULL when not asked for
-- column: currency | unit of the costs
-- column: estimated | true until the month is closed
-- check:  fail | currency = 'USD' | another currency refuses its delivery
-- check:  fail | usage_date < end_date | a period has a length
-- window: usage_date
create table if not exists raw_cost_explorer_groups (
    delivery_id uuid,
    group_number bigint,
    usage_date date,
    end_date date,
    account_id varchar,
    record_type varchar,
    usage_type varchar,
    instance_type varchar,
    service varchar,
    unblended_cost decimal(38, 10),
    blended_cost decimal(38, 10),
    amortized_cost decimal(38, 10),
    net_amortized_cost decimal(38, 10),
    usage_quantity decimal(38, 10),
    currency varchar,
    estimated boolean
);
