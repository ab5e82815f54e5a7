-- stg_inventory: every life of every EC2 instance as the inventory last saw it.
-- grain:  instance_id, launch_at
-- column: instance_id | EC2 instance id
-- column: launch_at | start of this life (a stopped instance that starts again has a new one)
-- column: instance_type | EC2 instance type
-- column: account_id | owning account
-- column: region | AWS region
-- column: private_dns_name | private host name in this life
-- column: lifecycle | spot, on-demand or capacity-block
-- column: cluster | tag aws:eks:cluster-name, else tag chipledger:cluster, else '-'
-- column: tags | JSON object of the instance tags
-- column: capacity_reservation_id | capacity reservation or Capacity Block (cr-…) it ran in, '' for none
-- column: stopped_at | end of this life where the inventory states it
-- column: last_seen_at | newest observation of it alive; NULL where it was only seen after its end
-- check:  fail | stopped_at is null or stopped_at >= launch_at | an instance cannot end before it starts

with newest as (
    select
        i.*,
        max(i.observed_at) filter (where i.state not in ('stopping', 'stopped', 'shutting-down', 'terminated')) over life
            as last_seen_at,
        -- a terminated instance has lost its name; the telemetry of its life still bears it
        arg_max(nullif(i.private_dns_name, ''), i.observed_at) over life as last_dns_name,
        arg_max(nullif(i.capacity_reservation_id, ''), i.observed_at) over life as last_reservation_id,
    from raw_inventory as i
    join raw_deliveries as d using (delivery_id)
    window life as (partition by i.instance_id, i.launch_at)
    qualify row_number() over (
        partition by i.instance_id, i.launch_at
        order by i.observed_at desc, d.observed_at desc, delivery_id desc
    ) = 1
)

select
    instance_id,
    launch_at,
    instance_type,
    account_id,
    region,
    coalesce(last_dns_name, '') as private_dns_name,
    lifecycle,
    coalesce(
        nullif(json_extract_string(tags, '$."aws:eks:cluster-name"'), ''),
        nullif(json_extract_string(tags, '$."chipledger:cluster"'), ''),
        '-'
    ) as cluster,
    tags,
    coalesce(last_reservation_id, '') as capacity_reservation_id,
    stopped_at,
    last_seen_at,
from newest
