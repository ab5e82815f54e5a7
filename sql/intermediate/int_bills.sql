-- int_bills: the current bill of each account and billing period as staged, from the one source that speaks, and whether it is final.
-- grain:  billing_period, account_id, record_type
-- column: billing_period | first day of the billing period
-- column: account_id | usage account
-- column: record_type | record type
-- column: line_count | lines
-- column: open_line_count | lines that cost something and name no invoice yet (CUR, FOCUS from 1.2), or that Cost Explorer calls estimated
-- column: billed_cost_usd | sum over the lines
-- column: effective_cost_usd | sum over the lines
-- check:  fail | open_line_count <= line_count | a part is not more than the whole

with lines as (
    select
        'cur' as cost_source,
        export_name,
        billing_period,
        account_id,
        payer_account_id,
        record_type,
        is_invoiced,
        billed_cost_usd,
        effective_cost_usd,
    from stg_cur_lines
    union all
    select
        'focus' as cost_source,
        export_name,
        billing_period,
        account_id,
        payer_account_id,
        record_type,
        is_invoiced,
        billed_cost_usd,
        effective_cost_usd,
    from stg_focus_lines
),

bill as (
    select
        billing_period,
        account_id,
        record_type,
        is_invoiced,
        billed_cost_usd,
        effective_cost_usd,
    from lines
    semi join int_bill_sources using (account_id, billing_period, payer_account_id, cost_source, export_name)
    union all
    select
        billing_period,
        account_id,
        record_type,
        not coalesce(is_estimated, true) as is_invoiced,
        billed_cost_usd,
        effective_cost_usd,
    from stg_cost_explorer_groups
    anti join int_bill_sources using (account_id, billing_period)
)

select
    billing_period,
    account_id,
    record_type,
    count(*) as line_count,
    count(*) filter (where not is_invoiced and billed_cost_usd <> 0) as open_line_count,
    cast(sum(billed_cost_usd) as decimal(38, 10)) as billed_cost_usd,
    cast(sum(effective_cost_usd) as decimal(38, 10)) as effective_cost_usd,
from bill
group by billing_period, account_id, record_type
