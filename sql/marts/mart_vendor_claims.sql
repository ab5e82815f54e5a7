-- mart_vendor_claims: what a sentence about cost is worth at other prices than those it was made at.
-- grain:  claim_id, valid_from_date
-- column: claim_id | short name
-- column: claim | what is claimed
-- column: instance_type_from | what it is compared with; '' where the claim names none
-- column: instance_type_to | what is said to be cheaper
-- column: usd_per_hour_from_then | on-demand price of the other when the claim was made; NULL where unknown
-- column: valid_from_date | first UTC day of another on-demand price in us-east-1; 1900-01-01 where none is known
-- column: usd_per_hour_from | that price; NULL where none is known
-- column: cost_ratio_low | lowest cost that the claim can mean at that price, the claimed side unchanged; NULL where nothing can be said
-- column: cost_ratio_high | highest; NULL for an "up to"
-- column: is_flipped | at that price even the best reading of the claim is dearer
-- column: source | who claims it
-- check:  fail | cost_ratio_low is null or cost_ratio_low > 0 | nothing is free

select
    c.claim_id,
    c.claim,
    c.instance_type_from,
    c.instance_type_to,
    c.usd_per_hour_from_then,
    coalesce(p.valid_from_date, date '1900-01-01') as valid_from_date,
    p.usd_per_hour as usd_per_hour_from,
    cast(
        cast(c.cost_ratio_low as double) * cast(c.usd_per_hour_from_then as double)
        / cast(p.usd_per_hour as double) as decimal(18, 9)
    ) as cost_ratio_low,
    cast(
        cast(c.cost_ratio_high as double) * cast(c.usd_per_hour_from_then as double)
        / cast(p.usd_per_hour as double) as decimal(18, 9)
    ) as cost_ratio_high,
    coalesce(c.cost_ratio_low * c.usd_per_hour_from_then > p.usd_per_hour, false) as is_flipped,
    c.source,
from int_vendor_claims as c
left join mart_chip_prices as p
    on
        c.instance_type_from = p.instance_type
        and p.price_basis = 'on_demand'
        and p.region = 'us-east-1'
