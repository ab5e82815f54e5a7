-- int_prices: what an instance-hour costs, by type, region and price basis, and from when until when.
-- grain:  instance_type, region, availability_zone, price_basis, valid_from_at
-- column: instance_type | EC2 instance type, or TPU slice
-- column: region | region, '' where the source of a Capacity Block rate names none
-- column: availability_zone | availability zone of a spot price, '' for the whole region
-- column: price_basis | on_demand, spot, capacity_block or reserved_<1y|3y>_<no|partial|all>_upfront, with _convertible
-- column: valid_from_at | from when the price holds
-- column: valid_until_at | until when, exclusive; infinity for the newest
-- column: usd_per_hour | USD per instance-hour of Linux on shared tenancy, an upfront fee spread over its term
-- column: price_source | price_list, spot_history, or seed before the first price list
-- column: observed_at | when the supplier told it
-- check:  fail | usd_per_hour > 0 | nothing is rented for nothing
-- check:  fail | valid_until_at > valid_from_at | a price holds for some time

with listed as (
    select
        instance_type,
        region,
        '' as availability_zone,
        price_basis,
        valid_from_at,
        usd_per_hour,
        'price_list' as price_source,
        observed_at,
    from stg_prices
    union all
    select
        instance_type,
        region,
        availability_zone,
        'spot' as price_basis,
        valid_from_at,
        usd_per_hour,
        'spot_history' as price_source,
        observed_at,
    from stg_spot_prices
),

dated as (
    select
        s.instance_type,
        s.price_region as region,
        'on_demand' as price_basis,
        cast(s.price_date as timestamptz) as valid_from_at,
        cast(s.on_demand_usd_per_hour as decimal(38, 10)) as usd_per_hour,
    from seed_instance_types as s
    where s.on_demand_usd_per_hour is not null and s.price_date is not null
    union all
    select
        h.instance_type,
        h.region,
        h.price_basis,
        cast(h.valid_from_date as timestamptz) as valid_from_at,
        cast(coalesce(h.usd_per_hour, h.usd_per_device_hour * t.device_count) as decimal(38, 10)) as usd_per_hour,
    from seed_price_history as h
    left join seed_comparison_types as t using (instance_type)
),

seeded as (
    select
        s.instance_type,
        s.region,
        '' as availability_zone,
        s.price_basis,
        s.valid_from_at,
        s.usd_per_hour,
        'seed' as price_source,
        s.valid_from_at as observed_at,
    from dated as s
    where
        -- a price list knows better from its first price on
        not exists (
            select 1 from stg_prices as p
            where
                p.instance_type = s.instance_type
                and p.region = s.region
                and p.price_basis = s.price_basis
                and p.valid_from_at <= s.valid_from_at
        )
),

told as (
    select * from listed
    union all
    select * from seeded
)

select
    instance_type,
    region,
    availability_zone,
    price_basis,
    valid_from_at,
    coalesce(
        lead(valid_from_at) over (
            partition by instance_type, region, availability_zone, price_basis order by valid_from_at
        ),
        cast('infinity' as timestamptz)
    ) as valid_until_at,
    usd_per_hour,
    price_source,
    observed_at,
from told
