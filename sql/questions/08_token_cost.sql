-- token_cost: what do a million prompt and output tokens cost, by workload, chip and week?
-- column: week_date | Monday of the ISO week, UTC
-- column: units | tokens of days that have both money and a count
-- column: effective_cost_usd | the whole cost of the workload on those days, in each unit's row: never added over units
-- column: uncosted_days | days left out, since money or count is missing
-- column: cost_per_million_units_usd | cost over units; NULL where no day has both
-- column: reasons | why days were left out, '' where none was
-- limit:  the cost is not split between prompt and output: each row divides the whole of it. Model and endpoint are not counted
--         apart, a workload of its own for each tells them; versions are compared by question 23
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
-- param:  workload_id = '' | only this workload; '' is all
with days as (
    select
        *,
        cast(date_trunc('week', usage_date) as date) as week_date,
        cost_per_million_units_usd is not null as is_costed,
    from mart_unit_cost_daily
    where
        unit in ('prompt_tokens', 'output_tokens')
        and usage_date >= cast($from_date as date) and usage_date < cast($to_date as date)
        and ($workload_id = '' or workload_id = $workload_id)
)

select
    week_date,
    workload_id,
    chip,
    unit,
    sum(units) filter (where is_costed) as units,
    sum(effective_cost_usd) filter (where is_costed) as effective_cost_usd,
    count(*) filter (where not is_costed) as uncosted_days,
    cast(
        1000000 * sum(effective_cost_usd) filter (where is_costed) / nullif(sum(units) filter (where is_costed), 0)
        as decimal(38, 10)
    ) as cost_per_million_units_usd,
    coalesce(string_agg(distinct reason_if_null, ', ' order by reason_if_null) filter (where not is_costed), '')
        as reasons,
from days
group by week_date, workload_id, chip, unit
order by week_date, workload_id, chip, unit
