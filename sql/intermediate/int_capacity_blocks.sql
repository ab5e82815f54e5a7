-- int_capacity_blocks: every fee paid for a Capacity Block, with the instances and the time that it pays for.
-- grain:  fee_line_id
-- column: fee_line_id | line of the bill that charges the fee
-- column: fee_hour_at | UTC hour in which it is charged
-- column: fee_usd | effective USD to be spread over the block
-- column: usage_type | AWS usage type of the fee
-- column: account_id | account that pays
-- column: billing_period | first day of the billing period that holds the fee
-- column: cost_source | cur or focus
-- column: export_name | export that tells it
-- column: delivered_at | when the supplier made this version
-- column: block_id | the block as a capacity reservation (cr-…), '' where the bill does not name it
-- column: region | AWS region; NULL where nobody listed the block
-- column: instance_type | EC2 instance type; NULL where nobody listed the block
-- column: instance_count | instances paid for; NULL where nobody listed the block
-- column: start_at | start of the block; NULL where nobody listed it: the fee then stays whole where it was charged
-- column: end_at | end of the block; NULL where nobody listed it
-- column: valid_from_at | hour of the fee or start of the block, the earlier
-- check:  warn | start_at is not null | a Capacity Block whose time is unknown: its fee stands whole on the day it was charged. Export CUR 2.0 with INCLUDE_CAPACITY_RESERVATION_DATA, and let chipledger list capacity reservations (ec2:DescribeCapacityReservations)
-- check:  fail | start_at is null or (end_at > start_at and instance_count > 0) | a fee can be spread only over some time

with fees as (
    select
        cost_line_id,
        usage_hour_at,
        effective_cost_usd,
        usage_type,
        account_id,
        payer_account_id,
        billing_period,
        'cur' as cost_source,
        export_name,
        delivered_at,
        capacity_reservation_id,
    from stg_cur_lines
    where is_block_fee
    union all
    select
        cost_line_id,
        usage_hour_at,
        effective_cost_usd,
        usage_type,
        account_id,
        payer_account_id,
        billing_period,
        'focus' as cost_source,
        export_name,
        delivered_at,
        capacity_reservation_id,
    from stg_focus_lines
    where is_block_fee
),

blocks as (
    select *
    from stg_capacity_reservations
    where start_at is not null and end_at > start_at and reserved_count > 0
)

select
    f.cost_line_id as fee_line_id,
    f.usage_hour_at as fee_hour_at,
    f.effective_cost_usd as fee_usd,
    f.usage_type,
    f.account_id,
    f.billing_period,
    f.cost_source,
    f.export_name,
    f.delivered_at,
    f.capacity_reservation_id as block_id,
    b.region,
    b.instance_type,
    b.reserved_count as instance_count,
    b.start_at,
    b.end_at,
    least(f.usage_hour_at, coalesce(date_trunc('hour', b.start_at), f.usage_hour_at)) as valid_from_at,
from fees as f
semi join int_bill_sources using (account_id, billing_period, payer_account_id, cost_source, export_name)
left join blocks as b on f.capacity_reservation_id = b.reservation_id
-- where the bill itself spreads the fee over its use, nothing is left to spread
where f.effective_cost_usd <> 0
