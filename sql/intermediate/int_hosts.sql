-- int_hosts: which instance a private host name meant, and when.
-- grain:  hostname, valid_from_at
-- column: hostname | PrivateDnsName or its first label
-- column: instance_id | EC2 instance that bore the name
-- column: valid_from_at | launch of that instance
-- column: valid_until_at | launch of the next instance with the same name, else infinity
-- check:  fail | valid_until_at > valid_from_at | a name belongs to one instance at a time

with names as (
    select
        private_dns_name as hostname,
        instance_id,
        launch_at,
    from stg_inventory
    where private_dns_name <> ''
    union
    select
        split_part(private_dns_name, '.', 1) as hostname,
        instance_id,
        launch_at,
    from stg_inventory
    where private_dns_name <> ''
),

one_per_launch as (
    select
        hostname,
        launch_at,
        max(instance_id) as instance_id,
    from names
    group by hostname, launch_at
)

select
    hostname,
    instance_id,
    launch_at as valid_from_at,
    coalesce(
        lead(launch_at) over (partition by hostname order by launch_at),
        cast('infinity' as timestamptz)
    ) as valid_until_at,
from one_per_launch
