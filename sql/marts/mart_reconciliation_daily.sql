-- mart_reconciliation_daily: the bill beside what was allocated of it, and beside Cost Explorer, per UTC day.
-- grain:  usage_date, account_id, record_type, basis
-- column: usage_date | UTC day in which the lines start
-- column: account_id | usage account
-- column: record_type | record type of the lines
-- column: basis | billed or effective
-- column: bill_usd | sum of the lines of the bill
-- column: allocated_usd | sum of the allocated fact over all classes
-- column: difference_usd | allocated minus bill: 0
-- column: cost_explorer_usd | what Cost Explorer says for the same; NULL where it was not pulled
-- column: cost_explorer_difference_usd | bill minus Cost Explorer
-- column: explanation | why the two differ, in words
-- check:  fail | difference_usd = 0 | the allocation lost or made money
-- check:  warn | coalesce(abs(cost_explorer_difference_usd), 0) <= 0.01 | the bill and Cost Explorer disagree by more than a cent
-- window: usage_date

with lines as (
    select
        usage_date,
        account_id,
        record_type,
        cost_source,
        cost_line_id,
        billed_cost_usd,
        effective_cost_usd,
    from int_cost_lines
    where usage_hour_at >= $start_at and usage_hour_at < $end_at
),

bill as (
    select
        usage_date,
        account_id,
        record_type,
        min(cost_source) as cost_source,
        sum(billed_cost_usd) as billed,
        sum(effective_cost_usd) as effective,
    from lines
    group by usage_date, account_id, record_type
),

allocated as (
    select
        l.usage_date,
        l.account_id,
        l.record_type,
        sum(f.billed_cost_usd) as billed,
        sum(f.effective_cost_usd) as effective,
    from fct_cost_allocated_hourly as f
    join lines as l using (cost_line_id)
    where f.usage_hour_at >= $start_at and f.usage_hour_at < $end_at
    group by l.usage_date, l.account_id, l.record_type
),

explorer as (
    select
        usage_date,
        account_id,
        record_type,
        billed_cost_usd as billed,
        effective_cost_usd as effective,
        is_estimated,
    from int_cost_explorer_days
    where usage_date >= $start_at and usage_date < $end_at
),

pulled_days as (
    select distinct
        usage_date,
        account_id,
    from explorer
),

bases (basis) as (
    values ('billed'), ('effective')
),

joined as (
    select
        coalesce(bill.usage_date, explorer.usage_date) as usage_date,
        coalesce(bill.account_id, explorer.account_id) as account_id,
        coalesce(bill.record_type, explorer.record_type) as record_type,
        bases.basis,
        bill.cost_source,
        coalesce(case bases.basis when 'billed' then bill.billed else bill.effective end, 0) as bill_usd,
        coalesce(case bases.basis when 'billed' then allocated.billed else allocated.effective end, 0)
            as allocated_usd,
        case
            when pulled_days.usage_date is not null
                then coalesce(case bases.basis when 'billed' then explorer.billed else explorer.effective end, 0)
        end as cost_explorer_usd,
        coalesce(explorer.is_estimated, false) as is_estimated,
    from bill
    full join explorer
        on
            bill.usage_date = explorer.usage_date
            and bill.account_id = explorer.account_id
            and bill.record_type = explorer.record_type
    left join allocated
        on
            bill.usage_date = allocated.usage_date
            and bill.account_id = allocated.account_id
            and bill.record_type = allocated.record_type
    left join pulled_days
        on
            coalesce(bill.usage_date, explorer.usage_date) = pulled_days.usage_date
            and coalesce(bill.account_id, explorer.account_id) = pulled_days.account_id
    cross join bases
)

select
    usage_date,
    account_id,
    record_type,
    basis,
    cast(bill_usd as decimal(38, 10)) as bill_usd,
    cast(allocated_usd as decimal(38, 10)) as allocated_usd,
    cast(allocated_usd - bill_usd as decimal(38, 10)) as difference_usd,
    cast(cost_explorer_usd as decimal(38, 10)) as cost_explorer_usd,
    cast(bill_usd - cost_explorer_usd as decimal(38, 10)) as cost_explorer_difference_usd,
    case
        when cost_explorer_usd is null then 'Cost Explorer was not pulled for this account and day'
        when cost_source = 'cost_explorer' then 'Cost Explorer is the bill of this account and period'
        when bill_usd = cost_explorer_usd then 'equal'
        when abs(bill_usd - cost_explorer_usd) <= 0.01 then 'rounding'
        when cost_source is null then 'Cost Explorer has lines that the export does not have yet'
        when is_estimated then 'Cost Explorer still estimates this day'
        else 'unexplained'
    end as explanation,
from joined
