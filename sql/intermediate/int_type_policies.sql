-- int_type_policies: which policy divides the hours of each instance type, and by what it weighs.
-- grain:  instance_type
-- column: instance_type | EC2 instance type
-- column: allocation_policy | accelerator_only, mig_slices, scad or opencost
-- column: is_by_request | the policy divides by what pods asked for, not by device time alone
-- column: device_count | accelerators in one instance
-- column: vcpu_count | virtual CPUs of the instance; NULL where unknown
-- column: host_memory_bytes | memory of the instance; NULL where unknown
-- column: logical_cores_per_device | logical NeuronCores of one device under the default LNC; NULL for GPUs
-- column: accelerator_weight | weight of one device
-- column: vcpu_weight | weight of one vCPU
-- column: memory_weight | weight of one GiB
-- column: unused_goes_to | pods or idle; '' where the policy weighs device time alone
-- check:  fail | not is_by_request or (accelerator_weight > 0 and vcpu_weight > 0 and memory_weight > 0) | a policy by request weighs every resource

with weights as (
    select
        allocation_policy,
        max(unit_weight) filter (where resource = 'accelerator') as accelerator_weight,
        max(unit_weight) filter (where resource = 'vcpu') as vcpu_weight,
        max(unit_weight) filter (where resource = 'memory') as memory_weight,
        max(unused_goes_to) as unused_goes_to,
    from stg_policy_weights
    group by allocation_policy
),

chosen as (
    select
        t.*,
        coalesce(f.allocation_policy, d.allocation_policy, 'accelerator_only') as allocation_policy,
    from seed_instance_types as t
    left join stg_allocation_policies as f on split_part(t.instance_type, '.', 1) = f.family
    left join stg_allocation_policies as d on d.family = ''
)

select
    c.instance_type,
    c.allocation_policy,
    w.allocation_policy is not null as is_by_request,
    c.device_count,
    c.vcpu_count,
    c.host_memory_bytes,
    c.logical_cores_per_device,
    w.accelerator_weight,
    w.vcpu_weight,
    w.memory_weight,
    coalesce(w.unused_goes_to, '') as unused_goes_to,
from chosen as c
left join weights as w using (allocation_policy)
