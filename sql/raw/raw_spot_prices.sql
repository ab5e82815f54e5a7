-- raw_spot_prices: EC2 spot prices as DescribeSpotPriceHistory shows them.
-- grain:  delivery_id, availability_zone, instance_type, product, price_at
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: observed_at | when AWS was asked
-- column: price_at | from when the price holds
-- column: region | AWS region
-- column: availability_zone | availability zone
-- column: instance_type | EC2 instance type
-- column: product | operating system, as EC2 words it
-- column: price_usd | USD per instance-hour
-- check:  fail | price_usd > 0 | nothing is rented for nothing
-- window: observed_at
create table if not exists raw_spot_prices (
    delivery_id uuid,
    observed_at timestamptz,
    price_at timestamptz,
    region varchar,
    availability_zone varchar,
    instance_type varchar,
    product varchar,
    price_usd decimal(38, 10)
);
