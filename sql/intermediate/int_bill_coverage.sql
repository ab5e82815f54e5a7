-- int_bill_coverage: until when the bill of each account speaks; later hours are estimated.
-- grain:  account_id
-- column: account_id | usage account
-- column: covered_until_at | end of its newest billed instance time, or when its bill was made where that line (of a daily export, a daily group) goes on after it; of its newest line where it has no instance line
-- column: valid_from_at | the same, so that a longer bill touches only the hours it adds
-- check:  fail | covered_until_at is not null | a bill covers some time

with ends as (
    select
        account_id,
        max(
            greatest(
                usage_hour_at + interval 1 hour,
                least(coalesce(usage_end_at, usage_hour_at), date_trunc('hour', delivered_at))
            )
        ) filter (
            -- not the hours that the fee of a Capacity Block pays for: they may run ahead of what ran in them
            where line_class = 'accelerator' and (usage_ms > 0 or cost_source = 'cost_explorer')
        ) as instances_until_at,
        max(usage_hour_at + case cost_source when 'cost_explorer' then interval 1 day else interval 1 hour end)
            as lines_until_at,
    from int_cost_lines
    group by account_id
)

select
    account_id,
    coalesce(instances_until_at, lines_until_at) as covered_until_at,
    coalesce(instances_until_at, lines_until_at) as valid_from_at,
from ends
