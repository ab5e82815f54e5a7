-- int_instance_types: the accelerators of each instance type: our own topology first, the EC2 API for types we lack.
-- grain:  instance_type
-- column: instance_type | EC2 instance type
-- column: chip | chip of its devices; other where we do not name it
-- column: device_count | accelerators in one instance
-- column: memory_bytes | memory of one accelerator, bytes; NULL where unknown
-- column: topology_source | seed or ec2_api
-- column: ec2_device_count | what the EC2 API says; NULL where it was not asked or names no accelerator (trn2u)
-- column: ec2_memory_bytes | what the EC2 API says; NULL where it was not asked or does not tell
-- column: is_disputed | the API counts other devices than our topology, or its memory is more than a tenth off
-- check:  fail | device_count > 0 | an accelerated type has at least one device
-- check:  warn | not is_disputed | the EC2 API and our topology differ: ours is used; known wrong is Trainium2, 512 GiB for 96

with api as (
    select
        t.instance_type,
        t.device_count,
        t.memory_bytes,
        coalesce(min(c.chip), 'other') as chip,
    from stg_instance_types as t
    left join seed_chips as c on regexp_matches(lower(t.accelerator_name), c.model_pattern)
    where t.device_count > 0
    group by t.instance_type, t.device_count, t.memory_bytes
)

select
    coalesce(s.instance_type, api.instance_type) as instance_type,
    coalesce(s.chip, api.chip) as chip,
    coalesce(s.device_count, api.device_count) as device_count,
    case when s.instance_type is null then api.memory_bytes else c.memory_bytes end as memory_bytes,
    case when s.instance_type is null then 'ec2_api' else 'seed' end as topology_source,
    api.device_count as ec2_device_count,
    api.memory_bytes as ec2_memory_bytes,
    s.instance_type is not null
    and api.instance_type is not null
    and (
        api.device_count <> s.device_count
        -- vendors count in GiB and GB: up to a tenth is wording
        or coalesce(abs(api.memory_bytes - c.memory_bytes) * 10 > c.memory_bytes, false)
    ) as is_disputed,
from seed_instance_types as s
full join api on s.instance_type = api.instance_type
left join seed_chips as c on s.chip = c.chip
