-- stg_allocation_policies: which policy divides the hours of which instance family.
-- grain:  family
-- column: family | instance family, '' for all that are not named
-- column: allocation_policy | accelerator_only, mig_slices, scad or opencost
-- check:  fail | allocation_policy in ('accelerator_only', 'mig_slices', 'scad', 'opencost') | a policy that nobody applies divides nothing

select
    subject as family,
    value as allocation_policy,
from raw_allocation_settings
where setting = 'policy'
