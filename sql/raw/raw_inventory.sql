-- raw_inventory: EC2 instances as an inventory listing showed them.
-- grain:  delivery_id, observed_at, instance_id
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: observed_at | when the listing was made
-- column: instance_id | EC2 instance
-- column: instance_type | EC2 instance type
-- column: account_id | owner account
-- column: region | AWS region
-- column: availability_zone | availability zone
-- column: private_dns_name | private host name, '' when the instance has none
-- column: launch_at | last start, NULL when not told
-- column: state | pending, running, stopping, stopped, shutting-down or terminated
-- column: stopped_at | time in StateTransitionReason, NULL when it holds none
-- column: lifecycle | on-demand, spot or capacity-block
-- column: tags | JSON object key to value, keys sorted
-- column: capacity_reservation_id | capacity reservation or Capacity Block (cr-…) it runs in, '' for none
-- check:  fail | instance_id <> '' | a listing without an instance id tells nothing
-- check:  fail | lifecycle in ('on-demand', 'spot', 'capacity-block') | the three ways to rent
-- window: observed_at
create table if not exists raw_inventory (
    delivery_id uuid,
    observed_at timestamptz,
    instance_id varchar,
    instance_type varchar,
    account_id varchar,
    region varchar,
    availability_zone varchar,
    private_dns_name varchar,
    launch_at timestamptz,
    state varchar,
    stopped_at timestamptz,
    lifecycle varchar,
    tags varchar,
    capacity_reservation_id varchar
);
