-- int_instance_days: on which part of which UTC day an instance is known to have existed.
-- grain:  instance_id, launch_at, usage_date
-- column: instance_id | EC2 instance id
-- column: launch_at | start of this life
-- column: usage_date | UTC day
-- column: instance_type | EC2 instance type in this life
-- column: account_id | owning account
-- column: from_at | start of existence on that day
-- column: until_at | end of existence on that day: stopped, last seen, or midnight
-- column: valid_from_at | midnight of the day, so that a newer sighting touches only the days it adds
-- check:  fail | until_at > from_at | an instance-day has a length

with lives as (
    select
        instance_id,
        launch_at,
        instance_type,
        account_id,
        coalesce(stopped_at, last_seen_at) as ended_at,
    from stg_inventory
    where coalesce(stopped_at, last_seen_at) > launch_at
),

days as (
    select
        lives.*,
        unnest(generate_series(
            date_trunc('day', launch_at), date_trunc('day', ended_at - interval 1 millisecond), interval 1 day
        )) as day_at,
    from lives
)

select
    instance_id,
    launch_at,
    cast(day_at as date) as usage_date,
    instance_type,
    account_id,
    greatest(launch_at, day_at) as from_at,
    least(ended_at, day_at + interval 1 day) as until_at,
    day_at as valid_from_at,
from days
