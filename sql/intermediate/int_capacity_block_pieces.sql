-- int_capacity_block_pieces: the fee of a Capacity Block, hour by hour, on the instances that ran in it; the rest is unused.
-- grain:  cost_line_id
-- column: cost_line_id | line of the fee, hour and instance, as fee/20260103T05Z/i-0ab; fee/20260103T05Z/unused for the rest
-- column: usage_hour_at | UTC hour of the block
-- column: fee_line_id | line of the bill that charges the fee
-- column: block_id | the block as a capacity reservation (cr-…)
-- column: account_id | account that pays the fee
-- column: region | AWS region of the block
-- column: instance_type | EC2 instance type of the block
-- column: instance_id | EC2 instance that ran in it, '' for the part nobody used
-- column: used_ms | milliseconds of the block that the instance, or nobody, took in that hour
-- column: usage_type | AWS usage type of the fee
-- column: cost_source | cur or focus
-- column: delivered_at | when the supplier made this version of the fee
-- column: effective_cost_usd | share of the hour's fee by that time, in units of 1e-10 USD, largest remainders first
-- check:  fail | used_ms > 0 | a piece of a fee pays for some time
-- check:  fail | query: select h.fee_line_id, h.usage_hour_at, h.fee_usd, sum(p.effective_cost_usd) as pieces_usd from int_capacity_block_hours as h left join int_capacity_block_pieces as p on h.fee_line_id = p.fee_line_id and h.usage_hour_at = p.usage_hour_at and p.usage_hour_at >= $start_at and p.usage_hour_at < $end_at where h.usage_hour_at >= $start_at and h.usage_hour_at < $end_at group by h.fee_line_id, h.usage_hour_at, h.fee_usd having h.fee_usd is distinct from sum(p.effective_cost_usd) | the pieces of a block's hour sum to it, exactly
-- check:  warn | query: select fee_line_id, usage_hour_at from int_capacity_block_pieces join int_capacity_block_hours using (fee_line_id, usage_hour_at) where usage_hour_at >= $start_at and usage_hour_at < $end_at group by fee_line_id, usage_hour_at, capacity_ms having sum(used_ms) > capacity_ms | more ran in these hours of a Capacity Block than it holds
-- window: usage_hour_at

with hours as (
    select
        h.*,
        b.account_id,
        b.region,
        b.instance_type,
        b.usage_type,
        b.cost_source,
        b.delivered_at,
    from int_capacity_block_hours as h
    join int_capacity_blocks as b using (fee_line_id)
    where h.usage_hour_at >= $start_at and h.usage_hour_at < $end_at
),

billed as (
    select
        usage_hour_at,
        account_id,
        payer_account_id,
        billing_period,
        'cur' as cost_source,
        export_name,
        usage_type,
        resource_id,
        capacity_reservation_id,
        usage_amount,
    from stg_cur_lines
    where record_type = 'Usage' and usage_hour_at >= $start_at and usage_hour_at < $end_at
    union all
    select
        usage_hour_at,
        account_id,
        payer_account_id,
        billing_period,
        'focus' as cost_source,
        export_name,
        usage_type,
        resource_id,
        capacity_reservation_id,
        usage_amount,
    from stg_focus_lines
    where record_type = 'Usage' and usage_hour_at >= $start_at and usage_hour_at < $end_at
),

-- instance time only: a block's instance also has lines of traffic and volumes
instance_time as (
    select
        usage_hour_at,
        regexp_extract(resource_id, '(?:^|:instance/)(i-[0-9a-f]+)$', 1) as instance_id,
        capacity_reservation_id,
        usage_type,
        usage_amount,
    from billed
    semi join int_bill_sources using (account_id, billing_period, payer_account_id, cost_source, export_name)
    where
        regexp_matches(usage_type, '(^|[-:])(BoxUsage|DedicatedUsage)(:|$)')
        and regexp_matches(resource_id, '(^|:instance/)i-[0-9a-f]+$')
),

-- the bill names the block where its export holds those columns, else the inventory does
ran as (
    select
        t.usage_hour_at,
        t.instance_id,
        coalesce(nullif(t.capacity_reservation_id, ''), i.capacity_reservation_id) as block_id,
        cast(round(sum(t.usage_amount) * 3600000) as bigint) as ran_ms,
    from instance_time as t
    left join int_instances as i using (instance_id)
    group by t.usage_hour_at, t.instance_id, block_id
),

used as (
    select
        h.fee_line_id,
        h.usage_hour_at,
        r.instance_id,
        least(r.ran_ms, h.block_ms) as used_ms,
    from hours as h
    join ran as r using (block_id, usage_hour_at)
    where r.ran_ms > 0
),

parts as (
    select *
    from used
    union all by name
    select
        h.fee_line_id,
        h.usage_hour_at,
        '' as instance_id,
        h.capacity_ms - coalesce(sum(u.used_ms), 0) as used_ms,
    from hours as h
    left join used as u using (fee_line_id, usage_hour_at)
    group by h.fee_line_id, h.usage_hour_at, h.capacity_ms
    having h.capacity_ms > coalesce(sum(u.used_ms), 0)
),

floors as (
    select
        h.*,
        p.instance_id,
        p.used_ms,
        cast(h.fee_usd * 10000000000 as hugeint) as hour_units,
        sum(p.used_ms) over hour_parts as hour_ms,
    from parts as p
    join hours as h using (fee_line_id, usage_hour_at)
    window hour_parts as (partition by p.fee_line_id, p.usage_hour_at)
),

divided as (
    select
        *,
        abs(hour_units) * used_ms // hour_ms as part_floor,
        abs(hour_units) * used_ms % hour_ms as part_remainder,
    from floors
),

ranked as (
    select
        *,
        sum(part_floor) over hour_parts as part_floors,
        row_number() over (
            partition by fee_line_id, usage_hour_at order by part_remainder desc, instance_id = '', instance_id
        ) as part_rank,
    from divided
    window hour_parts as (partition by fee_line_id, usage_hour_at)
),

exact as (
    select
        *,
        sign(hour_units) * (part_floor + case when part_rank <= abs(hour_units) - part_floors then 1 else 0 end)
            as part_units,
    from ranked
)

select
    concat_ws('/', fee_line_id, strftime(usage_hour_at, '%Y%m%dT%HZ'), coalesce(nullif(instance_id, ''), 'unused'))
        as cost_line_id,
    usage_hour_at,
    fee_line_id,
    block_id,
    account_id,
    region,
    instance_type,
    instance_id,
    cast(used_ms as bigint) as used_ms,
    usage_type,
    cost_source,
    delivered_at,
    cast(cast(part_units as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) as effective_cost_usd,
from exact
