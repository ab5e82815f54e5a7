-- int_quantity_parts: how the quantities of each divided line fall to its parts, exactly.
-- grain:  usage_hour_at, cost_line_id, cost_class, workload_id, chip
-- column: usage_hour_at | UTC hour the part belongs to
-- column: usage_date | UTC day the part belongs to
-- column: cost_line_id | line of the bill
-- column: cost_class | workload, idle.unallocated or unattributed
-- column: workload_id | workload, '' in the other classes
-- column: chip | chip of the instance
-- column: weight | device-nanoseconds of the part
-- column: part_ratio | the part in the line, 0-1
-- column: pricing_quantity | quantity priced; a line without one counts once
-- column: consumed_quantity | quantity consumed
-- column: contracted_cost_usd | USD at negotiated rates before commitments
-- check:  fail | query: select cost_line_id, usage_date from int_quantity_parts where usage_date >= $start_at and usage_date < $end_at group by cost_line_id, usage_date having sum(part_ratio) <> 1 | the parts of a line are the whole line
-- window: usage_date

with terms as (
    select
        cost_line_id,
        contracted_cost_usd,
        case when coalesce(pricing_quantity, 0) <> 0 then pricing_quantity else 1 end as line_quantity,
        coalesce(consumed_quantity, pricing_quantity, 1) as line_consumed,
    from int_line_terms
    where usage_hour_at >= cast($start_at as timestamptz) and usage_hour_at < cast($end_at as timestamptz)
),

-- where in its line a part begins and ends: its share of a quantity is what lies between, so that shares sum exactly;
-- twelve decimals, for a day of thousands of instances in one line times its device-nanoseconds must fit a HUGEINT
places as (
    select
        usage_hour_at,
        usage_date,
        cost_line_id,
        cost_class,
        workload_id,
        chip,
        cast(weight as hugeint) as weight,
        cast(sum(weight) over (partition by cost_line_id) as hugeint) as line_weight,
        cast(
            sum(weight) over (
                partition by cost_line_id
                order by usage_hour_at, cost_class, workload_id, chip
                rows between unbounded preceding and current row
            ) as hugeint
        ) as weight_to,
    from int_cost_parts
    where usage_date >= $start_at and usage_date < $end_at
    -- a line that is not spread has one part of weight 1
    qualify line_weight > 1
),

-- units of 1e-12 for ratio and quantities, of 1e-10 USD
divided as (
    select
        places.*,
        list_transform(
            [
                cast(1000000000000 as hugeint),
                cast(line_quantity * 1000000000000 as hugeint),
                cast(line_consumed * 1000000000000 as hugeint),
                cast(contracted_cost_usd * 10000000000 as hugeint)
            ],
            lambda whole: sign(whole) * (abs(whole) * weight_to // line_weight - abs(whole) * (weight_to - weight) // line_weight)
        ) as parts,
    from places
    join terms using (cost_line_id)
)

select
    usage_hour_at,
    usage_date,
    cost_line_id,
    cost_class,
    workload_id,
    chip,
    cast(weight as bigint) as weight,
    cast(cast(parts[1] as decimal(13, 0)) * 0.000000000001 as decimal(38, 12)) as part_ratio,
    cast(cast(parts[2] as decimal(25, 0)) * 0.000000000001 as decimal(38, 12)) as pricing_quantity,
    cast(cast(parts[3] as decimal(25, 0)) * 0.000000000001 as decimal(38, 12)) as consumed_quantity,
    cast(cast(parts[4] as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) as contracted_cost_usd,
from divided
