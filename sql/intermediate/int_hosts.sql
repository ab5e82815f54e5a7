-- int_hosts: which instance a private host name meant, and when.
-- grain:  hostname, valid_from_at
-- column: hostname | PrivateDnsName or its first label
-- column: instance_id | EC2 instance that bore the name, '' from when two did at once
-- column: valid_from_at | launch of that instance
-- column: valid_until_at | launch of the next instance with the same name, else infinity
-- check:  fail | valid_until_at > valid_from_at | a name belongs to one instance at a time

with names as (
    select
        private_dns_name as hostname,
        instance_id,
        launch_at,
        coalesce(stopped_at, last_seen_at) as ended_at,
    from stg_inventory
    where private_dns_name <> ''
    union
    select
        split_part(private_dns_name, '.', 1) as hostname,
        instance_id,
        launch_at,
        coalesce(stopped_at, last_seen_at) as ended_at,
    from stg_inventory
    where private_dns_name <> ''
),

one_per_launch as (
    select
        hostname,
        launch_at,
        case when count(distinct instance_id) = 1 then max(instance_id) else '' end as instance_id,
        max(ended_at) as ended_at,
    from names
    group by hostname, launch_at
)

select
    hostname,
    -- while two living instances bear one name (two VPCs), nobody can tell whose telemetry it is
    case
        when
            max(ended_at) over (
                partition by hostname order by launch_at rows between unbounded preceding and 1 preceding
            ) > launch_at
            then ''
        else instance_id
    end as instance_id,
    launch_at as valid_from_at,
    coalesce(
        lead(launch_at) over (partition by hostname order by launch_at),
        cast('infinity' as timestamptz)
    ) as valid_until_at,
from one_per_launch
