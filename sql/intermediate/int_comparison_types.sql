-- int_comparison_types: every type that can be compared: EC2's accelerated ones, and what other clouds offer.
-- grain:  instance_type
-- column: instance_type | EC2 instance type, TPU slice or chip
-- column: provider | cloud
-- column: chip | chip
-- column: device_count | chips of the type
-- column: is_candidate | every workload is compared with it
-- column: not_rentable_reason | why nobody can rent it; '' where one can
-- check:  fail | device_count > 0 and chip <> '' | a type has chips

select
    t.instance_type,
    'AWS' as provider,
    t.chip,
    t.device_count,
    coalesce(c.is_candidate, false) as is_candidate,
    coalesce(c.not_rentable_reason, '') as not_rentable_reason,
from seed_instance_types as t
left join seed_comparison_types as c using (instance_type)
union all
select
    c.instance_type,
    c.provider,
    c.chip,
    c.device_count,
    c.is_candidate,
    c.not_rentable_reason,
from seed_comparison_types as c
anti join seed_instance_types using (instance_type)
