-- seed_price_history: dated prices that no price list of ours may hold: former on-demand prices, Capacity Block rates, TPUs.
-- grain:  instance_type, region, price_basis, valid_from_date
-- column: instance_type | EC2 instance type or TPU slice
-- column: region | region of the price; '' where the source names none
-- column: price_basis | on_demand or capacity_block
-- column: valid_from_date | first day on which the source shows it
-- column: usd_per_hour | USD per instance-hour; NULL where the price is one per chip
-- column: usd_per_device_hour | USD per chip-hour; NULL where the price is one per instance
-- column: source | where the price was read
-- check:  fail | (usd_per_hour is null) <> (usd_per_device_hour is null) | a price is per instance or per chip
-- check:  fail | coalesce(usd_per_hour, usd_per_device_hour) > 0 | nothing is rented for nothing
-- check:  fail | coalesce(usd_per_hour, usd_per_device_hour) < 500 | 700 in some catalogues is a placeholder

select
    instance_type,
    coalesce(region, '') as region,
    price_basis,
    cast(valid_from_date as date) as valid_from_date,
    cast(nullif(usd_per_hour, '') as decimal(18, 10)) as usd_per_hour,
    cast(nullif(usd_per_device_hour, '') as decimal(18, 10)) as usd_per_device_hour,
    source,
from read_csv($seeds_dir || '/price_history.csv', header = true, all_varchar = true)
