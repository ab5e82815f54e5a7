-- finding_transitions: when each finding opened and closed, in data time; what was told to whom is in the alert ledger.
-- grain:  finding_id, transition
-- column: finding_id | the finding
-- column: transition | open or close; escalation and reopening are relative to what was told, so the alert ledger has them
-- column: transition_at | when, in data time
-- column: severity | severity of the finding
-- column: payload | the finding as JSON
-- check:  fail | transition in ('open', 'close') | the two changes that follow from the signals alone
create table if not exists finding_transitions (
    finding_id varchar,
    transition varchar,
    transition_at timestamptz,
    severity varchar,
    payload varchar
);
