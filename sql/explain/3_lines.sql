-- Each line of the bill (or estimate) behind them: its whole cost, and the part of the line's weights that is this workload's.
with parts as (
    select
        cost_line_id,
        sum(weight) filter (where workload_id = $workload_id) as workload_weight,
        sum(weight) as line_weight,
        count(*) as part_count,
    from int_cost_parts
    where
        usage_date = $usage_date
        and cost_line_id in (
            select p.cost_line_id
            from int_cost_parts as p
            where p.usage_date = $usage_date and p.workload_id = $workload_id and p.cost_class = 'workload'
        )
    group by cost_line_id
),

lines as (
    select
        cost_line_id,
        any_value(record_type) as record_type,
        any_value(cost_source) as cost_source,
        sum(effective_cost_usd) as line_effective_cost_usd,
        sum(billed_cost_usd) as line_billed_cost_usd,
        sum(effective_cost_usd) filter (where cost_class = 'workload' and workload_id = $workload_id)
            as effective_cost_usd,
        sum(billed_cost_usd) filter (where cost_class = 'workload' and workload_id = $workload_id) as billed_cost_usd,
    from fct_cost_allocated_hourly
    where usage_date = $usage_date
    group by cost_line_id
)

select
    l.cost_line_id,
    l.record_type,
    l.cost_source,
    l.line_effective_cost_usd,
    l.line_billed_cost_usd,
    p.workload_weight,
    p.line_weight,
    p.part_count,
    round(p.workload_weight / p.line_weight, 6) as share,
    l.effective_cost_usd,
    l.billed_cost_usd,
from parts as p
join lines as l using (cost_line_id)
order by l.effective_cost_usd desc, l.cost_line_id
