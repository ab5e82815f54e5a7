-- raw_capacity_reservations: EC2 Capacity Reservations and Capacity Blocks as the API shows them.
-- grain:  delivery_id, reservation_id
-- column: delivery_id | the delivery that brought the row (raw_deliveries)
-- column: observed_at | when the API was asked
-- column: reservation_id | capacity reservation (cr-…)
-- column: account_id | owner account
-- column: region | AWS region
-- column: availability_zone | availability zone
-- column: instance_type | EC2 instance type it holds capacity for
-- column: platform | operating system, as EC2 words it
-- column: tenancy | default or dedicated
-- column: state | active, expired, cancelled, pending, failed, scheduled, payment-pending …
-- column: reservation_type | default or capacity-block
-- column: total_count | instances reserved
-- column: available_count | instances not in use, NULL when not told
-- column: start_at | start of the reservation
-- column: end_at | end of the reservation, NULL when it has none
-- column: tags | JSON object key to value, keys sorted
-- check:  fail | reservation_id <> '' | a reservation without an id tells nothing
-- check:  fail | reservation_type in ('default', 'capacity-block') | the two ways to reserve
-- window: observed_at
create table if not exists raw_capacity_reservations (
    delivery_id uuid,
    observed_at timestamptz,
    reservation_id varchar,
    account_id varchar,
    region varchar,
    availability_zone varchar,
    instance_type varchar,
    platform varchar,
    tenancy varchar,
    state varchar,
    reservation_type varchar,
    total_count bigint,
    available_count bigint,
    start_at timestamptz,
    end_at timestamptz,
    tags varchar
);
