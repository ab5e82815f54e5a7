-- int_instances: what the inventory knows of each EC2 instance, from its newest life.
-- grain:  instance_id
-- column: instance_id | EC2 instance id
-- column: instance_type | EC2 instance type
-- column: account_id | owning account
-- column: region | AWS region
-- column: cluster | cluster from the instance tags, '-' where none is tagged
-- column: lifecycle | spot, on-demand or capacity-block
-- column: capacity_reservation_id | capacity reservation or Capacity Block (cr-…) it runs in, '' for none
-- column: valid_from_at | start of its first life
-- check:  fail | instance_type <> '' | an instance has a type

select
    instance_id,
    arg_max(instance_type, launch_at) as instance_type,
    arg_max(account_id, launch_at) as account_id,
    arg_max(region, launch_at) as region,
    arg_max(cluster, launch_at) as cluster,
    arg_max(lifecycle, launch_at) as lifecycle,
    arg_max(capacity_reservation_id, launch_at) as capacity_reservation_id,
    min(launch_at) as valid_from_at,
from stg_inventory
group by instance_id
