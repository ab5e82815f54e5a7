-- seed_vendor_claims: sentences about cost that come without a table; they never carry a verdict.
-- grain:  claim_id
-- column: claim_id | short name
-- column: claim | what is claimed
-- column: instance_type_from | what it is compared with; '' where the claim names none
-- column: instance_type_to | what is said to be cheaper
-- column: cost_ratio_low | lowest cost that the claim can mean, as part of the other's
-- column: cost_ratio_high | highest; NULL for an "up to"
-- column: usd_per_hour_from_then | price of the other when the claim was made; NULL where unknown
-- column: source | who claims it
-- check:  fail | cost_ratio_low > 0 | nothing is free
-- check:  fail | instance_type_from = '' or usd_per_hour_from_then > 0 | a claim against an instance was made at some price

select
    claim_id,
    claim,
    coalesce(instance_type_from, '') as instance_type_from,
    instance_type_to,
    cast(cost_ratio_low as decimal(9, 6)) as cost_ratio_low,
    cast(nullif(cost_ratio_high, '') as decimal(9, 6)) as cost_ratio_high,
    cast(nullif(usd_per_hour_from_then, '') as decimal(18, 10)) as usd_per_hour_from_then,
    source,
from read_csv($seeds_dir || '/vendor_claims.csv', header = true, all_varchar = true)
