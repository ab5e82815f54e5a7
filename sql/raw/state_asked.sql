-- state_asked: questions that a supplier charges for and has answered, so that none is soon paid for again.
-- grain:  question
-- column: question | cost-explorer://<account, or all for the list of accounts>/<first day>/<end day, exclusive>
-- column: answered_at | data clock of the newest answer
-- column: answer | accounts that the list named, separated by commas; '' for the others: what they said has landed
-- check:  fail | question <> '' | an answer without its question
create table if not exists state_asked (
    question varchar,
    answered_at timestamptz,
    answer varchar
);
