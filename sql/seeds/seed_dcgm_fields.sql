-- seed_dcgm_fields: what each DCGM field measures, and the factor that brings it to the house unit.
-- grain:  name
-- column: name | classic DCGM name (before the renames of DCGM 4.6), or the exporter's own DCGM_EXP_* name
-- column: field_id | DCGM field id, stable over renames; '' for the exporter's own metrics
-- column: column_name | column of raw_dcgm_samples that holds it, '' when it is not stored
-- column: dcgm_type | int64, double or string, as DCGM declares it
-- column: unit | unit in which DCGM and raw_dcgm_samples state it (a suffix in a name never decides it)
-- column: factor_to_canonical | exact factor from unit to canonical_unit, NULL where none is meaningful
-- column: canonical_unit | house unit: ratio, bytes, joules, watts, celsius, seconds, hertz, count, code …
-- column: per_mig_instance | whether each MIG instance has its own value, in words
-- column: source | file and version the row comes from
-- check:  fail | factor_to_canonical is null or factor_to_canonical > 0 | a unit factor of zero or less turns telemetry into nonsense
-- check:  fail | column_name = '' or factor_to_canonical is not null | a stored column without a factor has no unit
select
    name,
    coalesce(field_id, '') as field_id,
    coalesce(column_name, '') as column_name,
    dcgm_type,
    unit,
    cast(factor_to_canonical as decimal(38, 10)) as factor_to_canonical,
    coalesce(canonical_unit, '') as canonical_unit,
    coalesce(per_mig_instance, '') as per_mig_instance,
    source,
from read_csv($seeds_dir || '/dcgm_fields.csv', header = true, all_varchar = true)
