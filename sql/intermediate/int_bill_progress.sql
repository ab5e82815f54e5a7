-- int_bill_progress: up to which hour the current bill of every export tells what ran.
-- grain:  cost_source, export_name
-- column: cost_source | cur or focus
-- column: export_name | export
-- column: known_until_at | end of its newest usage by the hour, or two days before it was delivered: then nothing ran
-- column: valid_from_at | the same, so that a newer delivery touches only the hours it adds
-- check:  fail | known_until_at is not null | a bill was delivered some time

with usage as (
    select
        'cur' as cost_source,
        export_name,
        usage_start_at,
        usage_end_at,
        delivered_at,
        record_type,
    from stg_cur_lines
    union all
    select
        'focus' as cost_source,
        export_name,
        usage_start_at,
        usage_end_at,
        delivered_at,
        record_type,
    from stg_focus_lines
),

newest as (
    select
        cost_source,
        export_name,
        max(usage_end_at) filter (
            where record_type in ('Usage', 'SavingsPlanCoveredUsage', 'DiscountedUsage')
            and usage_end_at <= usage_start_at + interval 1 hour
        ) as used_until_at,
        max(delivered_at) as delivered_at,
    from usage
    group by cost_source, export_name
)

select
    cost_source,
    export_name,
    greatest(date_trunc('hour', delivered_at) - interval 2 days, coalesce(used_until_at, '-infinity')) as known_until_at,
    greatest(date_trunc('hour', delivered_at) - interval 2 days, coalesce(used_until_at, '-infinity')) as valid_from_at,
from newest
