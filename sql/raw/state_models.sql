-- state_models: what the builder last built; a difference to sql/ is what it builds next.
-- grain:  model
-- column: model | name of the model, also of its table or view
-- column: definition_hash | sha256 of the model's file and of the CSV files it names
-- column: content_hash | order-free hash of all rows of a model without window; NULL for the others
-- column: built_start_at | start of the time a windowed model has been built over, NULL for the others
-- column: built_end_at | its end, exclusive
-- check:  fail | built_start_at is null or built_start_at < built_end_at | a window is half-open and not empty
create table if not exists state_models (
    model varchar,
    definition_hash varchar,
    content_hash varchar,
    built_start_at timestamptz,
    built_end_at timestamptz
);
