-- int_bill_sources: the one export that speaks for an account and billing period: CUR before FOCUS; Cost Explorer where there is none.
-- grain:  account_id, billing_period
-- column: account_id | usage account
-- column: billing_period | first day of the billing period
-- column: cost_source | cur or focus
-- column: export_name | export that speaks: of CUR, else of the newest FOCUS version, the first by name of those still delivered, files without a Manifest last
-- column: other_exports | exports that hold the same account and period and stay silent, '' for none
-- column: valid_from_at | start of the billing period, or of the first line billed in it: corrections reach back
-- check:  fail | export_name <> '' | an export has a name
-- check:  warn | other_exports = '' | several exports hold this account and period; the named one speaks, the others are left out

with exports as (
    select
        account_id,
        billing_period,
        export_name,
        'cur' as cost_source,
        '' as focus_version,
        max(delivered_at) as delivered_at,
        min(usage_hour_at) as first_hour_at,
    from stg_cur_lines
    group by account_id, billing_period, export_name
    union all
    select
        account_id,
        billing_period,
        export_name,
        'focus' as cost_source,
        max(focus_version) as focus_version,
        max(delivered_at) as delivered_at,
        min(usage_hour_at) as first_hour_at,
    from stg_focus_lines
    group by account_id, billing_period, export_name
),

-- an export that is two days behind its twin is no longer delivered (renamed, or switched off)
living as (
    select
        *,
        delivered_at >= max(delivered_at) over (partition by account_id, billing_period, cost_source)
        - interval 2 days as is_alive,
    from exports
),

ranked as (
    select
        *,
        row_number() over (
            partition by account_id, billing_period
            order by cost_source, is_alive desc, focus_version desc, export_name = 'files', export_name
        ) as rank,
    from living
)

select
    account_id,
    billing_period,
    min(cost_source) filter (where rank = 1) as cost_source,
    min(export_name) filter (where rank = 1) as export_name,
    coalesce(string_agg(export_name, ', ' order by export_name) filter (where rank > 1), '') as other_exports,
    least(cast(billing_period as timestamptz), min(first_hour_at)) as valid_from_at,
from ranked
group by account_id, billing_period
