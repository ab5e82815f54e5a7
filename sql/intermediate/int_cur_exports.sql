-- int_cur_exports: the one CUR export that speaks for an account and billing period; two exports of one bill are one bill.
-- grain:  account_id, billing_period
-- column: account_id | usage account
-- column: billing_period | first day of the billing period
-- column: export_name | export that speaks: the first by name of those still delivered
-- column: other_exports | exports that hold the same account and period and stay silent, '' for none
-- column: valid_from_at | start of the billing period
-- check:  fail | export_name <> '' | an export has a name
-- check:  warn | other_exports = '' | two exports hold this account and period; the named one speaks, the others are left out

with exports as (
    select
        account_id,
        billing_period,
        export_name,
        max(delivered_at) as delivered_at,
    from stg_cur_lines
    group by account_id, billing_period, export_name
),

-- an export that is two days behind its twin is no longer delivered (renamed, or switched off)
living as (
    select
        *,
        delivered_at >= max(delivered_at) over (partition by account_id, billing_period) - interval 2 days as is_alive,
    from exports
)

select
    account_id,
    billing_period,
    min(export_name) filter (where is_alive) as export_name,
    coalesce(
        string_agg(export_name, ', ' order by export_name)
        filter (where export_name <> first_living),
        ''
    ) as other_exports,
    cast(billing_period as timestamptz) as valid_from_at,
from (
    select
        *,
        min(case when is_alive then export_name end) over (partition by account_id, billing_period) as first_living,
    from living
)
group by account_id, billing_period
