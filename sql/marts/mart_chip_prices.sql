-- mart_chip_prices: what an hour of each type costs on each price basis, and from when until when.
-- grain:  instance_type, region, price_basis, valid_from_date
-- column: instance_type | EC2 instance type or TPU slice
-- column: provider | cloud
-- column: chip | chip
-- column: device_count | chips of the type
-- column: region | region; '' where one price holds for all that is known
-- column: price_basis | on_demand, reserved_1y, reserved_3y (no upfront, standard), spot, capacity_block, own_effective, or on_demand_or_block: on demand, and the Capacity Block rate where nothing is sold on demand
-- column: valid_from_date | first UTC day of the price
-- column: valid_until_date | day after the last; infinity for the newest
-- column: usd_per_hour | USD per hour of the whole type
-- column: usd_per_device_hour | the same over its chips
-- column: price_source | price_list, spot_history, seed, or bill for one's own effective rate of the last 30 days billed
-- column: told_date | UTC day on which its source last told it
-- column: known_date | UTC day on which the newest price of any kind was told: prices of later days are announcements
-- check:  fail | usd_per_hour > 0 | nothing is rented for nothing
-- check:  fail | valid_until_date > valid_from_date | a price holds for some time

with dated as (
    select
        instance_type,
        region,
        case price_basis
            when 'reserved_1y_no_upfront' then 'reserved_1y'
            when 'reserved_3y_no_upfront' then 'reserved_3y'
            else price_basis
        end as price_basis,
        cast(valid_from_at as date) as valid_from_date,
        arg_max(usd_per_hour, valid_from_at) as usd_per_hour,
        arg_max(price_source, valid_from_at) as price_source,
        cast(arg_max(observed_at, valid_from_at) as date) as told_date,
    from int_prices
    where price_basis in ('on_demand', 'capacity_block', 'reserved_1y_no_upfront', 'reserved_3y_no_upfront')
    group by all
),

-- of a spot price the newest of each zone, and their median; its past is in int_prices
spot as (
    select
        instance_type,
        region,
        'spot' as price_basis,
        cast(max(valid_from_at) as date) as valid_from_date,
        quantile_disc(usd_per_hour, 0.5) as usd_per_hour,
        'spot_history' as price_source,
        cast(max(observed_at) as date) as told_date,
    from int_prices
    where price_basis = 'spot' and valid_until_at = 'infinity'
    group by instance_type, region
),

own as (
    select
        instance_type,
        '' as region,
        'own_effective' as price_basis,
        max(usage_date) as valid_from_date,
        cast(
            cast(sum(effective_cost_usd) as double) / cast(sum(instance_hours) as double) as decimal(38, 10)
        ) as usd_per_hour,
        'bill' as price_source,
        max(usage_date) as told_date,
    from mart_instance_rate_daily
    where usage_date > (select max(n.usage_date) - 30 from mart_instance_rate_daily as n)
    group by instance_type
    having sum(effective_cost_usd) > 0 and sum(instance_hours) > 0
),

priced as (
    select * from dated
    union all by name
    select * from spot
    union all by name
    select * from own
    union all by name
    select * replace ('on_demand_or_block' as price_basis)
    from dated as d
    where
        d.price_basis = 'on_demand'
        or (
            d.price_basis = 'capacity_block'
            and not exists (
                select 1 from dated as o
                where o.instance_type = d.instance_type and o.price_basis = 'on_demand'
            )
        )
),

known as (
    select
        greatest(
            (select cast(max(observed_at) as date) from int_prices),
            (select max(usage_date) from mart_instance_rate_daily)
        ) as known_date
)

select
    p.instance_type,
    t.provider,
    t.chip,
    t.device_count,
    p.region,
    p.price_basis,
    p.valid_from_date,
    coalesce(
        lead(p.valid_from_date) over (
            partition by p.instance_type, p.region, p.price_basis order by p.valid_from_date
        ),
        cast('infinity' as date)
    ) as valid_until_date,
    cast(p.usd_per_hour as decimal(38, 10)) as usd_per_hour,
    cast(cast(p.usd_per_hour as double) / t.device_count as decimal(38, 10)) as usd_per_device_hour,
    p.price_source,
    p.told_date,
    k.known_date,
from priced as p
join int_comparison_types as t using (instance_type)
cross join known as k
