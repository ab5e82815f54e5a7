-- mart_break_even: which part of one type's throughput another must reach to cost as much, by price basis and time.
-- grain:  instance_type_from, instance_type_to, price_basis, region, valid_from_date
-- column: instance_type_from | what one has
-- column: instance_type_to | what one asks about
-- column: chip_from | chip of the one
-- column: chip_to | chip of the other
-- column: price_basis | as in mart_chip_prices; the same on both sides
-- column: region | region of the prices; a price that names none holds for each
-- column: valid_from_date | first UTC day on which both prices hold
-- column: valid_until_date | day after the last; infinity for the newest
-- column: usd_per_hour_from | USD per hour of the one
-- column: usd_per_hour_to | USD per hour of the other
-- column: break_even_throughput_ratio | usd_per_hour_to over usd_per_hour_from: the other is cheaper above this part of the one's throughput, per instance
-- column: price_date | the older of the two days on which the prices were last told
-- column: is_current | both hold on the day on which the newest price was told
-- check:  fail | break_even_throughput_ratio > 0 | nothing is rented for nothing

with wanted as (
    select instance_type from int_comparison_types
    where is_candidate
    union
    select instance_type from int_benchmarks
    union
    select instance_type from mart_workload_placement_daily
),

regions as (
    select 'us-east-1' as region
    union
    select region from mart_workload_placement_daily
    where region <> ''
),

prices as (
    select
        r.region,
        p.* exclude (region),
    from mart_chip_prices as p
    join wanted using (instance_type)
    cross join regions as r
    where
        p.region = r.region
        or (
            (p.region = '' or p.provider <> 'AWS')
            and not exists (
                select 1 from mart_chip_prices as n
                where
                    n.instance_type = p.instance_type
                    and n.price_basis = p.price_basis
                    and n.region = r.region
            )
        )
)

select
    a.instance_type as instance_type_from,
    b.instance_type as instance_type_to,
    a.chip as chip_from,
    b.chip as chip_to,
    a.price_basis,
    a.region,
    greatest(a.valid_from_date, b.valid_from_date) as valid_from_date,
    least(a.valid_until_date, b.valid_until_date) as valid_until_date,
    a.usd_per_hour as usd_per_hour_from,
    b.usd_per_hour as usd_per_hour_to,
    cast(cast(b.usd_per_hour as double) / cast(a.usd_per_hour as double) as decimal(18, 9)) as break_even_throughput_ratio,
    least(a.told_date, b.told_date) as price_date,
    greatest(a.valid_from_date, b.valid_from_date) <= a.known_date
    and least(a.valid_until_date, b.valid_until_date) > a.known_date as is_current,
from prices as a
join prices as b
    on
        a.price_basis = b.price_basis
        and a.region = b.region
        and a.instance_type <> b.instance_type
        and a.valid_from_date < b.valid_until_date
        and b.valid_from_date < a.valid_until_date
