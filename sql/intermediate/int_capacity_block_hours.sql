-- int_capacity_block_hours: what each hour of a Capacity Block costs, up to where the bill tells what ran.
-- grain:  fee_line_id, usage_hour_at
-- column: fee_line_id | line of the bill that charges the fee
-- column: usage_hour_at | UTC hour of the block
-- column: block_id | the block as a capacity reservation (cr-…)
-- column: block_ms | milliseconds of the block in that hour
-- column: capacity_ms | the same times its instances
-- column: fee_usd | share of the fee: by time, in units of 1e-10 USD, largest remainders first, the earlier hour in a tie
-- column: valid_from_at | the hour, so that a newer bill touches only the hours it adds
-- check:  fail | block_ms > 0 and block_ms <= 3600000 | an hour of a block has a length
-- check:  fail | query: select b.fee_line_id, b.fee_usd, sum(h.fee_usd) as spread_usd from int_capacity_blocks as b join int_capacity_block_hours as h using (fee_line_id) group by b.fee_line_id, b.fee_usd, b.start_at, b.end_at having sum(h.block_ms) > epoch_ms(b.end_at) - epoch_ms(b.start_at) or abs(sum(h.fee_usd)) > abs(b.fee_usd) or (sum(h.block_ms) = epoch_ms(b.end_at) - epoch_ms(b.start_at) and sum(h.fee_usd) <> b.fee_usd) | the hours of a whole block sum to its fee, exactly

with progress as (
    -- whichever exports have spoken for the account: one may follow another
    select
        s.account_id,
        max(p.known_until_at) as known_until_at,
    from int_bill_sources as s
    join int_bill_progress as p using (cost_source, export_name)
    group by s.account_id
),

hours as (
    select
        *,
        unnest(generate_series(
            date_trunc('hour', start_at), end_at - interval 1 millisecond, interval 1 hour
        )) as usage_hour_at,
        cast(fee_usd * 10000000000 as hugeint) as fee_units,
    from int_capacity_blocks
    where start_at is not null
),

timed as (
    select
        *,
        epoch_ms(least(end_at, usage_hour_at + interval 1 hour)) - epoch_ms(greatest(start_at, usage_hour_at)) as block_ms,
    from hours
),

floors as (
    select
        *,
        abs(fee_units) * block_ms // (epoch_ms(end_at) - epoch_ms(start_at)) as hour_floor,
        abs(fee_units) * block_ms % (epoch_ms(end_at) - epoch_ms(start_at)) as hour_remainder,
    from timed
),

ranked as (
    select
        *,
        sum(hour_floor) over (partition by fee_line_id) as floors,
        row_number() over (partition by fee_line_id order by hour_remainder desc, usage_hour_at) as hour_rank,
    from floors
),

shares as (
    select
        *,
        sign(fee_units) * (hour_floor + case when hour_rank <= abs(fee_units) - floors then 1 else 0 end) as hour_units,
    from ranked
)

select
    s.fee_line_id,
    s.usage_hour_at,
    s.block_id,
    cast(s.block_ms as bigint) as block_ms,
    cast(s.block_ms * s.instance_count as bigint) as capacity_ms,
    cast(cast(s.hour_units as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) as fee_usd,
    s.usage_hour_at as valid_from_at,
from shares as s
join progress as p using (account_id)
where s.usage_hour_at < p.known_until_at
