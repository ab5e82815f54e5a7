-- int_bill_totals: what each delivery of a CUR or FOCUS bill says in sum; summed once, when it came, since a delivery never changes.
-- grain:  delivery_id, payer_account_id, account_id, billing_period, charge_date, record_type
-- column: delivery_id | delivery
-- column: payer_account_id | account that pays, '' where the bill does not tell
-- column: account_id | usage account, '' for a delivery without lines
-- column: billing_period | first day of the billing period
-- column: charge_date | UTC day of files without a Manifest, which replace days; else the billing period, replaced whole
-- column: record_type | record type of the lines, '' for a delivery without lines
-- column: delivered_at | when the supplier made it
-- column: cost_source | cur or focus
-- column: export_name | export; of files without a Manifest their name without shard number
-- column: delivered_period | billing period that the delivery replaces; NULL for files without a Manifest
-- column: execution_id | execution of the export; of files without a Manifest their name without shard number
-- column: object | object delivered
-- column: landed_number | its number in the ledger
-- column: focus_version | newest FOCUS version of the lines, '' for CUR
-- column: line_count | lines
-- column: billed_cost_usd | sum over the lines
-- column: effective_cost_usd | sum over the lines
-- check:  fail | line_count >= 0 and billed_cost_usd is not null and effective_cost_usd is not null | a sum leaves nothing out
-- window: delivered_at

with deliveries as (
    select *
    from stg_bill_deliveries
    where delivered_at >= $start_at and delivered_at < $end_at
),

sums as (
    select
        c.delivery_id,
        coalesce(c.payer_account_id, '') as payer_account_id,
        c.account_id,
        c.billing_period,
        c.billing_period as charge_date,
        c.record_type,
        '' as focus_version,
        count(*) as line_count,
        sum(c.unblended_cost) as billed_cost_usd,
        sum(c.effective_cost_usd) as effective_cost_usd,
    from stg_cur_costs as c
    semi join deliveries as d on c.delivery_id = d.delivery_id
    group by c.delivery_id, coalesce(c.payer_account_id, ''), c.account_id, c.billing_period, c.record_type
    union all by name
    select
        c.delivery_id,
        coalesce(c.billing_account_id, '') as payer_account_id,
        c.account_id,
        c.billing_period,
        case when d.billing_period is null then cast(c.charge_start_at as date) else c.billing_period end as charge_date,
        c.record_type,
        max(c.focus_version) as focus_version,
        count(*) as line_count,
        sum(c.billed_cost) as billed_cost_usd,
        sum(c.effective_cost) as effective_cost_usd,
    from stg_focus_costs as c
    join deliveries as d on c.delivery_id = d.delivery_id
    group by
        c.delivery_id,
        coalesce(c.billing_account_id, ''),
        c.account_id,
        c.billing_period,
        case when d.billing_period is null then cast(c.charge_start_at as date) else c.billing_period end,
        c.record_type
)

select
    d.delivery_id,
    coalesce(s.payer_account_id, '') as payer_account_id,
    coalesce(s.account_id, '') as account_id,
    coalesce(s.billing_period, d.billing_period) as billing_period,
    coalesce(s.charge_date, d.billing_period) as charge_date,
    coalesce(s.record_type, '') as record_type,
    d.delivered_at,
    d.cost_source,
    d.export_name,
    d.billing_period as delivered_period,
    d.execution_id,
    d.object,
    d.landed_number,
    coalesce(s.focus_version, '') as focus_version,
    coalesce(s.line_count, 0) as line_count,
    cast(coalesce(s.billed_cost_usd, 0) as decimal(38, 10)) as billed_cost_usd,
    cast(coalesce(s.effective_cost_usd, 0) as decimal(38, 10)) as effective_cost_usd,
from deliveries as d
left join sums as s on d.delivery_id = s.delivery_id
where s.delivery_id is not null or d.billing_period is not null
