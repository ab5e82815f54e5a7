-- break_even_utilization: from which use on is it cheaper to reserve an instance type than to rent it on demand?
-- column: usd_per_hour | USD per instance-hour of the basis, paid whether it is used or not
-- column: on_demand_usd_per_hour | USD per instance-hour used on demand; NULL where the type is not sold on demand
-- column: break_even_utilization_ratio | part of all hours in use above which the basis is cheaper; above 1 it never is
-- column: price_date | the older of the days on which both prices were told
-- column: reason_if_null | why there is no ratio, '' where there is one
-- limit:  current prices of the region asked for. Spot is paid only while used, like on demand: it has no break-even and is left out
-- limit:  a Capacity Block's quote is that of its day and sold for whole days; hours in use are held, not busy
-- param:  region = 'us-east-1' | AWS region
with known as (
    select max(known_date) as known_date
    from mart_chip_prices
),

prices as (
    select
        p.instance_type,
        p.price_basis,
        p.usd_per_hour,
        p.told_date,
    from mart_chip_prices as p
    cross join known as k
    where p.region in ('', $region) and p.valid_from_date <= k.known_date and k.known_date < p.valid_until_date
    qualify row_number() over (partition by p.instance_type, p.price_basis order by p.region desc) = 1
),

bought as (
    select
        c.instance_type,
        c.price_basis,
        c.usd_per_hour,
        d.usd_per_hour as on_demand_usd_per_hour,
        least(c.told_date, d.told_date) as price_date,
    from prices as c
    left join prices as d on c.instance_type = d.instance_type and d.price_basis = 'on_demand'
    where c.price_basis in ('reserved_1y', 'reserved_3y', 'capacity_block')
)

select
    instance_type,
    price_basis,
    usd_per_hour,
    on_demand_usd_per_hour,
    cast(usd_per_hour / nullif(on_demand_usd_per_hour, 0) as decimal(18, 6)) as break_even_utilization_ratio,
    price_date,
    case when on_demand_usd_per_hour is null then 'not sold on demand, or no price known' else '' end
        as reason_if_null,
from bought
order by instance_type, price_basis
