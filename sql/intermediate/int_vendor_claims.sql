-- int_vendor_claims: sentences about cost that come without a table; they never carry a verdict.
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

select
    claim_id,
    claim,
    instance_type_from,
    instance_type_to,
    cost_ratio_low,
    cost_ratio_high,
    usd_per_hour_from_then,
    source,
from seed_vendor_claims
