-- int_period_actions: each closing and reopening of a billing period, the one that holds marked.
-- grain:  action_number
-- column: action_number | order of the actions, from 1
-- column: billing_period | first day of the billing period
-- column: action | close or reopen
-- column: acted_at | when
-- column: actor | who, 'rule' for the closing rule
-- column: reason | why, '' where nobody said
-- column: published_at | publication whose figures stay; NULL for a reopening
-- column: deliveries_seen | the deliveries behind those figures are numbered up to this one; NULL for a reopening
-- column: is_closing | this action keeps the period closed now
-- check:  fail | query: select billing_period from int_period_actions where is_closing group by billing_period having count(*) > 1 | a period is closed once

select
    action_number,
    billing_period,
    action,
    acted_at,
    actor,
    reason,
    published_at,
    deliveries_seen,
    action = 'close' and action_number = max(action_number) over (partition by billing_period) as is_closing,
from stg_period_actions
