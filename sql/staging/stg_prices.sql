-- stg_prices: what an hour of each instance type costs under each term of AWS's price lists, upfront fees spread.
-- grain:  instance_type, region, price_basis, valid_from_at
-- column: instance_type | EC2 instance type
-- column: region | AWS region
-- column: price_basis | on_demand, capacity_block or reserved_<1y|3y>_<no|partial|all>_upfront, with _convertible
-- column: valid_from_at | from when the price holds
-- column: usd_per_hour | USD per instance-hour, an upfront fee spread over the hours of its term
-- column: upfront_usd | upfront fee of the term; 0 without one
-- column: observed_at | when AWS published it
-- check:  fail | usd_per_hour > 0 | a price of nothing is a placeholder

with terms as (
    select
        p.delivery_id,
        d.delivered_at,
        p.sku,
        p.instance_type,
        p.region,
        p.effective_at,
        p.observed_at,
        case
            when p.term_type = 'OnDemand' and p.market_option = 'CapacityBlock' then 'capacity_block'
            when p.term_type = 'OnDemand' then 'on_demand'
            else concat(
                'reserved_', replace(p.lease, 'yr', 'y'), '_', replace(lower(p.purchase_option), ' ', '_'),
                case p.offering_class when 'convertible' then '_convertible' else '' end
            )
        end as price_basis,
        case p.lease when '3yr' then 26280 else 8760 end as term_hours,
        cast(coalesce(sum(p.price_usd) filter (where p.unit = 'Hrs'), 0) as decimal(38, 10)) as hourly_usd,
        cast(coalesce(sum(p.price_usd) filter (where p.unit = 'Quantity'), 0) as decimal(38, 10)) as upfront_usd,
    from raw_prices as p
    join raw_deliveries as d using (delivery_id)
    group by all
),

priced as (
    select
        *,
        -- the fee per hour in 1e-10 USD, rounded half up
        hourly_usd + cast(
            cast((cast(upfront_usd * 10000000000 as hugeint) * 2 + term_hours) // (term_hours * 2) as decimal(28, 0))
            * cast(0.0000000001 as decimal(10, 10)) as decimal(38, 10)
        ) as usd_per_hour,
    from terms
)

select
    instance_type,
    region,
    price_basis,
    effective_at as valid_from_at,
    cast(usd_per_hour as decimal(38, 10)) as usd_per_hour,
    upfront_usd,
    observed_at,
from priced
where usd_per_hour > 0
qualify row_number() over (
    partition by instance_type, region, price_basis, effective_at
    order by observed_at desc, delivered_at desc, delivery_id desc, sku
) = 1
