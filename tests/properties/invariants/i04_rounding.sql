-- I4 Rounding: a part is its exact share rounded down or up; the largest remainders are rounded up, ties by key.
with shares as (
    select
        cost_line_id,
        bill_of(twin_of(f.account_id)) as bill,
        abs(units(f.billed_cost_usd)) as got,
        abs(units(l.billed_cost_usd)) * cast(p.weight as hugeint) as due,
        cast(sum(p.weight) over (partition by cost_line_id) as hugeint) as whole,
        (usage_hour_at, cost_class, workload_id, chip) as key,
    from fct_cost_allocated_hourly as f
    join int_cost_parts as p using (usage_hour_at, cost_line_id, cost_class, workload_id, chip)
    join int_cost_lines as l using (cost_line_id)
),

places as (
    select *, got * whole > due as is_up, (-(due % whole), key) as place
    from shares
)

select bill, cost_line_id, got, due, whole
from places
where abs(got * whole - due) >= whole
union all
select min(bill), cost_line_id, count(*), null, null
from places
group by cost_line_id
having max(place) filter (where is_up) > min(place) filter (where not is_up)
