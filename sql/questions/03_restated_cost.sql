-- restated_cost: what did the newest deliveries of the bill change, by account and record type?
-- column: previous_usd | billed before the delivery; NULL where nothing was known of the account's month
-- column: current_usd | billed since
-- column: change_usd | current minus previous; the changes of a month add up to its bill
-- column: change_effective_usd | the same after discounts and commitments; never added to change_usd
-- column: cause | first, source or restated: see mart_restatements
-- column: status | applied, or pending where the month is closed and its figures are those of before
-- limit:  by account and record type; which workload a change fell on is seen by asking question 1 with --as-of of both days
-- param:  billing_period = (select max(billing_period) from mart_restatements) | first day of the month
-- param:  since = '1970-01-01' | only deliveries made at or after this UTC time
select
    billing_period,
    delivered_at,
    account_id,
    record_type,
    status,
    cause,
    previous_usd,
    current_usd,
    change_usd,
    change_effective_usd,
from mart_restatements
where
    billing_period = cast($billing_period as date)
    and delivered_at >= cast($since as timestamptz)
    and (change_usd <> 0 or change_effective_usd <> 0)
order by delivered_at desc, abs(change_usd) desc, account_id, record_type, status
