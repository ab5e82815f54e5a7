-- raw_period_actions: each closing and reopening of a billing period; written by `chipledger close` and `reopen` and by the closing rule.
-- grain:  action_number
-- column: action_number | order of the actions, from 1
-- column: billing_period | first day of the billing period
-- column: action | close or reopen
-- column: acted_at | when, by the clock of the command
-- column: actor | who, 'rule' for the closing rule
-- column: reason | why, '' where nobody said
-- column: published_at | publication whose figures stay; NULL for a reopening
-- column: deliveries_seen | the deliveries behind those figures are numbered up to this one; NULL for a reopening
-- check:  fail | action in ('close', 'reopen') | nothing else happens to a period
create table if not exists raw_period_actions (
    action_number bigint,
    billing_period date,
    action varchar,
    acted_at timestamptz,
    actor varchar,
    reason varchar,
    published_at timestamptz,
    deliveries_seen bigint
);
