-- stg_period_actions: each closing and reopening of a billing period, in order.
-- grain:  action_number
-- column: action_number | order of the actions, from 1
-- column: billing_period | first day of the billing period
-- column: action | close or reopen
-- column: acted_at | when
-- column: actor | who, 'rule' for the closing rule
-- column: reason | why, '' where nobody said
-- column: published_at | publication whose figures stay; NULL for a reopening
-- column: deliveries_seen | the deliveries behind those figures are numbered up to this one; NULL for a reopening
-- check:  fail | action = 'reopen' or deliveries_seen is not null | a closing names what it was made of

select
    action_number,
    billing_period,
    action,
    acted_at,
    actor,
    reason,
    published_at,
    deliveries_seen,
from raw_period_actions
