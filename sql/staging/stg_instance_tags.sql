-- stg_instance_tags: the tags of every EC2 instance from hour to hour: a renamed tag holds from the hour that shows it, a late one reaches back.
-- grain:  instance_id, valid_from_at
-- column: instance_id | EC2 instance id
-- column: valid_from_at | UTC hour from which on these tags hold; of the first ones the start of the first life, and they hold before it too
-- column: valid_until_at | UTC hour from which on others hold; NULL for the newest
-- column: is_first | nothing is known from before
-- column: tags | JSON object: of each key the newest value seen until then, else the first one seen later; a key that is taken away keeps its last
-- check:  fail | valid_until_at is null or valid_until_at > valid_from_at | tags hold for some time

with sights as (
    select
        instance_id,
        date_trunc('hour', observed_at) as hour_at,
        arg_max(coalesce(nullif(tags, ''), '{}'), (observed_at, delivery_id)) as tags,
        min(launch_at) as launch_at,
    from raw_inventory
    group by instance_id, hour_at
),

changes as (
    select *
    from sights
    qualify tags is distinct from lag(tags) over (partition by instance_id order by hour_at)
),

entries as (
    select
        instance_id,
        hour_at,
        unnest(map_entries(cast(cast(tags as json) as map (varchar, varchar)))) as entry,
    from changes
),

-- what every key says at every change
told as (
    select
        c.instance_id,
        c.hour_at,
        e.entry.key as tag_key,
        coalesce(
            arg_max(e.entry.value, e.hour_at) filter (where e.hour_at <= c.hour_at),
            arg_min(e.entry.value, e.hour_at)
        ) as tag_value,
    from changes as c
    join entries as e using (instance_id)
    group by c.instance_id, c.hour_at, tag_key
),

sets as (
    select
        c.instance_id,
        c.hour_at,
        coalesce(
            cast(to_json(map_from_entries(
                list(struct_pack(k := t.tag_key, v := t.tag_value) order by t.tag_key) filter (where t.tag_key is not null)
            )) as varchar),
            '{}'
        ) as tags,
    from changes as c
    left join told as t using (instance_id, hour_at)
    group by c.instance_id, c.hour_at
),

starts as (
    select
        instance_id,
        date_trunc('hour', least(min(launch_at), min(hour_at))) as start_at,
    from sights
    group by instance_id
),

renamed as (
    select
        *,
        row_number() over (partition by instance_id order by hour_at) = 1 as is_first,
    from sets
    qualify tags is distinct from lag(tags) over (partition by instance_id order by hour_at)
)

select
    r.instance_id,
    case when r.is_first then s.start_at else r.hour_at end as valid_from_at,
    lead(r.hour_at) over (partition by r.instance_id order by r.hour_at) as valid_until_at,
    r.is_first,
    r.tags,
from renamed as r
join starts as s using (instance_id)
