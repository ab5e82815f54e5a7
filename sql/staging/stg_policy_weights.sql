-- stg_policy_weights: what a unit of each resource of an instance counts under the policies that weigh several.
-- grain:  allocation_policy, resource
-- column: allocation_policy | scad or opencost
-- column: resource | accelerator, vcpu or memory
-- column: unit_weight | weight of one device, vCPU or GiB; only the ratio matters
-- column: unused_goes_to | pods: what nobody asked for is laid on those who asked; idle: it is idle
-- check:  fail | unit_weight > 0 | a resource that counts nothing takes no money
-- check:  fail | unused_goes_to in ('pods', 'idle') | the unused part goes somewhere

select
    split_part(setting, '.', 2) as allocation_policy,
    subject as resource,
    cast(value as decimal(38, 10)) as unit_weight,
    split_part(setting, '.', 3) as unused_goes_to,
from raw_allocation_settings
where starts_with(setting, 'weight.')
