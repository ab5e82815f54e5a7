-- raw_instance_types: EC2 instance types as DescribeInstanceTypes shows them.
-- grain:  delivery_id, instance_type
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: observed_at | when the API was asked
-- column: account_id | account that asked
-- column: region | AWS region that answered
-- column: instance_type | EC2 instance type
-- column: manufacturer | maker of its accelerators, '' when it has none
-- column: accelerator_name | name of its accelerators, '' when it has none
-- column: device_count | accelerators in one instance, 0 when the API names none
-- column: memory_mib | memory of one accelerator, MiB, NULL when not told
-- column: cores_per_device | cores of one accelerator, NULL when not told
-- column: vcpu_count | virtual CPUs
-- check:  fail | instance_type <> '' | a type without a name tells nothing
-- check:  fail | device_count >= 0 | a count is not negative
-- window: observed_at
create table if not exists raw_instance_types (
    delivery_id uuid,
    observed_at timestamptz,
    account_id varchar,
    region varchar,
    instance_type varchar,
    manufacturer varchar,
    accelerator_name varchar,
    device_count bigint,
    memory_mib bigint,
    cores_per_device bigint,
    vcpu_count bigint
);
