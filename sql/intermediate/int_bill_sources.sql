-- int_bill_sources: the one export that speaks for an account, billing period and payer: CUR before FOCUS; Cost Explorer where there is none.
-- grain:  account_id, billing_period, payer_account_id
-- column: account_id | usage account
-- column: billing_period | first day of the billing period
-- column: payer_account_id | account that pays; an account that moved to another organisation has two bills in that month
-- column: cost_source | cur or focus, the same for all payers of the account's month
-- column: export_name | export that speaks: of CUR, else of the newest FOCUS version, the first by name of those still delivered, files without a Manifest last
-- column: other_exports | exports that hold the same account and period and stay silent, '' for none
-- column: valid_from_at | start of the billing period, or of the first line billed in it: corrections reach back
-- check:  fail | export_name <> '' | an export has a name
-- check:  fail | query: with told as (select account_id, billing_period, usage_hour_at, count(distinct payer_account_id) as payer_count from (select account_id, billing_period, payer_account_id, 'cur' as cost_source, export_name, usage_hour_at, record_type from stg_cur_lines union all select account_id, billing_period, payer_account_id, 'focus' as cost_source, export_name, usage_hour_at, record_type from stg_focus_lines) semi join int_bill_sources using (account_id, billing_period, payer_account_id, cost_source, export_name) where record_type in ('Usage', 'SavingsPlanCoveredUsage', 'DiscountedUsage') and (account_id, billing_period) in (select (s.account_id, s.billing_period) from int_bill_sources as s group by s.account_id, s.billing_period having count(*) > 1) group by account_id, billing_period, usage_hour_at) select account_id, billing_period, count(*) as hour_count, count(*) filter (where payer_count > 1) as shared_count from told group by account_id, billing_period having count(*) filter (where payer_count > 1) > 2 and count(*) filter (where payer_count > 1) * 2 > count(*) | two payers tell the same hours of this account, and both count: one export is no bill (pro forma, of a billing group); land the other alone
-- check:  warn | other_exports = '' | several exports hold this account and period; the named one speaks, the others are left out

with exports as (
    select
        account_id,
        billing_period,
        payer_account_id,
        export_name,
        'cur' as cost_source,
        '' as focus_version,
        max(delivered_at) as delivered_at,
        min(usage_hour_at) as first_hour_at,
    from stg_cur_lines
    group by account_id, billing_period, payer_account_id, export_name
    union all
    select
        account_id,
        billing_period,
        payer_account_id,
        export_name,
        'focus' as cost_source,
        max(focus_version) as focus_version,
        max(delivered_at) as delivered_at,
        min(usage_hour_at) as first_hour_at,
    from stg_focus_lines
    group by account_id, billing_period, payer_account_id, export_name
),

-- every payer has a bill of its own; where an export does not tell who pays, the month is one bill
billed as (
    select
        *,
        case
            when min(payer_account_id) over (partition by account_id, billing_period) <> '' then payer_account_id
            else ''
        end as bill_payer_id,
    from exports
),

bills as (
    select
        account_id,
        billing_period,
        bill_payer_id,
        cost_source,
        export_name,
        max(focus_version) as focus_version,
        max(delivered_at) as delivered_at,
    from billed
    group by account_id, billing_period, bill_payer_id, cost_source, export_name
),

-- an export that is two days behind its twin is no longer delivered (renamed, or switched off)
living as (
    select
        *,
        delivered_at >= max(delivered_at) over (partition by account_id, billing_period, bill_payer_id, cost_source)
        - interval 2 days as is_alive,
    from bills
),

-- never two sources in a month of an account: what comes by another stays silent, whoever pays
ranked as (
    select
        *,
        row_number() over (
            partition by account_id, billing_period, bill_payer_id
            order by cost_source, is_alive desc, focus_version desc, export_name = 'files', export_name
        ) = 1
        and cost_source = min(cost_source) over (partition by account_id, billing_period) as is_speaking,
    from living
),

silent as (
    select
        account_id,
        billing_period,
        string_agg(export_name, ', ' order by export_name) as other_exports,
    from (
        select
            account_id,
            billing_period,
            cost_source,
            export_name,
        from ranked
        group by account_id, billing_period, cost_source, export_name
        having not bool_or(is_speaking)
    )
    group by account_id, billing_period
)

select
    b.account_id,
    b.billing_period,
    b.payer_account_id,
    b.cost_source,
    b.export_name,
    coalesce(s.other_exports, '') as other_exports,
    m.valid_from_at,
from billed as b
join ranked as r using (account_id, billing_period, bill_payer_id, cost_source, export_name)
join (
    select
        account_id,
        billing_period,
        least(cast(billing_period as timestamptz), min(first_hour_at)) as valid_from_at,
    from exports
    group by account_id, billing_period
) as m using (account_id, billing_period)
left join silent as s using (account_id, billing_period)
where r.is_speaking
