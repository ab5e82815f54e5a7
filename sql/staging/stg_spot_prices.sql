-- stg_spot_prices: each spot price of Linux as it was last told.
-- grain:  instance_type, availability_zone, valid_from_at
-- column: instance_type | EC2 instance type
-- column: region | AWS region
-- column: availability_zone | availability zone
-- column: valid_from_at | from when the price holds
-- column: usd_per_hour | USD per instance-hour
-- column: observed_at | when AWS was first asked and told so
-- check:  fail | usd_per_hour > 0 | nothing is rented for nothing

select
    instance_type,
    region,
    availability_zone,
    price_at as valid_from_at,
    arg_max(price_usd, (observed_at, delivery_id)) as usd_per_hour,
    min(observed_at) as observed_at,
from raw_spot_prices
where product like 'Linux/UNIX%'
group by instance_type, region, availability_zone, price_at
