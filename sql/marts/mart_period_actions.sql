-- mart_period_actions: who closed and reopened which billing period, when and why.
-- grain:  action_number
-- column: action_number | order of the actions, from 1
-- column: billing_period | first day of the billing period
-- column: action | close or reopen
-- column: acted_at | when
-- column: actor | who, 'rule' for the closing rule
-- column: reason | why, '' where nobody said
-- column: published_at | publication whose figures stay; NULL for a reopening
-- column: is_closing | this action keeps the period closed now
-- check:  fail | action in ('close', 'reopen') | nothing else happens to a period

select
    action_number,
    billing_period,
    action,
    acted_at,
    actor,
    reason,
    published_at,
    is_closing,
from int_period_actions
