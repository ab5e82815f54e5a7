-- raw_allocation_settings: the setting `allocation`: which policy divides whose hours, and what is distributed; written by the build.
-- grain:  setting, subject
-- column: setting | policy, weight.<policy>.<who gets the unused part>, distribute, over, shared_namespace, shared_label or overhead_usd_per_hour
-- column: subject | instance family ('' = all others), resource, class that is distributed, namespace or label key
-- column: value | policy, weight of a unit of the resource, method, scope, label value or USD
-- check:  fail | setting <> '' | a value without a setting means nothing
create table if not exists raw_allocation_settings (
    setting varchar,
    subject varchar,
    value varchar
);
