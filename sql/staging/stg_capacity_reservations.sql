-- stg_capacity_reservations: every EC2 Capacity Reservation and Capacity Block as it was last seen.
-- grain:  reservation_id
-- column: reservation_id | capacity reservation (cr-…), the resource of UnusedBox lines
-- column: account_id | owner account
-- column: region | AWS region
-- column: availability_zone | availability zone
-- column: instance_type | EC2 instance type
-- column: state | state when last seen
-- column: reservation_type | default or capacity-block
-- column: total_count | instances reserved
-- column: reserved_count | most instances it was ever seen to hold: what was paid for, also once it has expired
-- column: available_count | instances not in use when last seen; NULL where not told
-- column: start_at | start of the reservation
-- column: end_at | end of the reservation; NULL where it has none
-- column: tags | JSON object of the reservation's tags
-- column: last_seen_at | newest observation
-- check:  fail | end_at is null or end_at >= start_at | a reservation cannot end before it starts
-- check:  fail | available_count is null or available_count <= total_count | no more can be free than is reserved

select
    reservation_id,
    account_id,
    region,
    availability_zone,
    instance_type,
    state,
    reservation_type,
    total_count,
    max(total_count) over (partition by reservation_id) as reserved_count,
    available_count,
    start_at,
    end_at,
    tags,
    observed_at as last_seen_at,
from raw_capacity_reservations
-- a shared reservation is listed by its owner and by whom it is shared with
qualify row_number() over (partition by reservation_id order by observed_at desc, delivery_id desc) = 1
