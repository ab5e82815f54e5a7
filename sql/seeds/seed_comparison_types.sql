-- seed_comparison_types: what a workload is compared with unless somebody measured something else.
-- grain:  instance_type
-- column: instance_type | EC2 instance type, TPU slice or chip
-- column: provider | cloud
-- column: chip | chip; '' where seed_instance_types knows it
-- column: device_count | chips of the type; NULL where seed_instance_types knows it
-- column: is_candidate | every workload is compared with it
-- column: not_rentable_reason | why nobody can rent it; '' where one can
-- column: source | where the figures come from
-- check:  fail | provider = 'AWS' or device_count > 0 | what is no EC2 type brings its own chips

select
    instance_type,
    provider,
    coalesce(chip, '') as chip,
    cast(nullif(device_count, '') as integer) as device_count,
    cast(is_candidate as boolean) as is_candidate,
    coalesce(not_rentable_reason, '') as not_rentable_reason,
    source,
from read_csv($seeds_dir || '/comparison_types.csv', header = true, all_varchar = true)
