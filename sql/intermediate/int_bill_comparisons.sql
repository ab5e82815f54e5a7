-- int_bill_comparisons: the bill beside Cost Explorer per UTC day, account and record type, with the category of each difference.
-- grain:  usage_date, account_id, record_type, basis
-- column: usage_date | UTC day in which the lines start
-- column: account_id | usage account
-- column: record_type | record type of the lines
-- column: basis | billed or effective
-- column: cost_source | cur, focus or cost_explorer; NULL where only Cost Explorer has such lines
-- column: bill_usd | sum of the lines of the bill
-- column: cost_explorer_usd | what Cost Explorer says for the same; NULL where it was not pulled for the account and day
-- column: explanation | category of the difference, unexplained where none fits; docs/sources.md says what each means
-- check:  fail | explanation in ('equal', 'same source', 'rounding', 'capacity block', 'not pulled', 'another cloud', 'missing account', 'commitment treatment', 'another record type', 'another day', 'blended rates', 'amortisation basis', 'estimated', 'timing', 'unexplained') | no other category exists
-- window: usage_date
-- lookback: 31 days

with bill as (
    select
        usage_date,
        account_id,
        record_type,
        billing_period,
        min(cost_source) as cost_source,
        min(provider) as provider,
        sum(billed_cost_usd) as billed,
        sum(effective_cost_usd) as effective,
        sum(shifted_cost_usd) as shifted,
        max(delivered_at) as delivered_at,
    from int_cost_lines
    -- whole months: an amount may stand on another day of its month
    where
        usage_hour_at >= date_trunc('month', $start_at)
        and usage_hour_at < date_trunc('month', $end_at) + interval 1 month
    group by usage_date, account_id, record_type, billing_period
),

bill_days as (
    select
        usage_date,
        account_id,
        record_type,
        min(cost_source) as cost_source,
        min(provider) as provider,
        sum(billed) as billed,
        sum(effective) as effective,
        sum(shifted) as shifted,
    from bill
    group by usage_date, account_id, record_type
),

explorer as (
    select
        usage_date,
        account_id,
        record_type,
        billed_cost_usd as billed,
        blended_cost_usd as blended,
        effective_cost_usd as effective,
        is_estimated,
        pulled_at,
    from int_cost_explorer_days
    where
        usage_date >= date_trunc('month', $start_at)
        and usage_date < date_trunc('month', $end_at) + interval 1 month
),

-- which account-days were asked for, and how new the answer is
pulled as (
    select
        usage_date,
        account_id,
        bool_or(is_estimated) as is_estimated,
        max(pulled_at) as pulled_at,
    from explorer
    group by usage_date, account_id
),

pulled_days as (
    select distinct usage_date
    from pulled
),

-- the newest delivery of an account's month, also for record types that it lacks
delivered as (
    select
        account_id,
        date_trunc('month', usage_date) as month_date,
        max(delivered_at) as delivered_at,
    from bill
    group by account_id, month_date
),

bases (basis) as (
    values ('billed'), ('effective')
),

joined as (
    select
        coalesce(b.usage_date, e.usage_date) as usage_date,
        coalesce(b.account_id, e.account_id) as account_id,
        coalesce(b.record_type, e.record_type) as record_type,
        bases.basis,
        b.cost_source,
        b.provider,
        coalesce(case bases.basis when 'billed' then b.billed else b.effective end, 0) as bill_usd,
        coalesce(case bases.basis when 'billed' then e.billed else e.effective end, 0) as explorer_usd,
        -- Cost Explorer leaves the fee of a Capacity Block on the day it was charged
        coalesce(case bases.basis when 'effective' then b.shifted end, 0) as shifted_usd,
        e.blended as blended_usd,
        coalesce(b.billed, 0) = coalesce(e.billed, 0) as is_billed_alike,
    from bill_days as b
    full join explorer as e
        on b.usage_date = e.usage_date and b.account_id = e.account_id and b.record_type = e.record_type
    cross join bases
),

unshifted as (
    select
        *,
        bill_usd - shifted_usd - explorer_usd as apart_usd,
    from joined
),

compared as (
    select
        j.*,
        p.usage_date is not null as is_pulled,
        d.usage_date is not null as is_day_pulled,
        coalesce(p.is_estimated, false) as is_estimated,
        abs(j.apart_usd) <= 0.01 as is_close,
        -- sums of differences that vanish show where the money stands instead
        abs(sum(j.apart_usd) filter (
            where j.record_type in ('SavingsPlanCoveredUsage', 'SavingsPlanNegation')
        ) over (partition by j.usage_date, j.account_id, j.basis)) <= 0.01 as is_commitment_alike,
        abs(sum(j.apart_usd) over (partition by j.usage_date, j.account_id, j.basis)) <= 0.01
            as is_day_alike,
        abs(sum(j.apart_usd) filter (where p.usage_date is not null) over (
            partition by date_trunc('month', j.usage_date), j.account_id, j.record_type, j.basis
        )) <= 0.01 as is_month_alike,
        -- made on different days, the older of the two before the month had settled
        abs(epoch(v.delivered_at - p.pulled_at)) > 86400
        and least(v.delivered_at, p.pulled_at)
        < date_trunc('month', cast(j.usage_date as timestamptz)) + interval 1 month + interval 15 days as is_unsettled,
    from unshifted as j
    left join pulled as p using (usage_date, account_id)
    left join pulled_days as d using (usage_date)
    left join delivered as v on j.account_id = v.account_id and date_trunc('month', j.usage_date) = v.month_date
)

select
    usage_date,
    account_id,
    record_type,
    basis,
    cost_source,
    cast(bill_usd as decimal(38, 10)) as bill_usd,
    cast(case when is_pulled then explorer_usd end as decimal(38, 10)) as cost_explorer_usd,
    case
        when not is_pulled and provider <> 'AWS' then 'another cloud'
        when not is_pulled and is_day_pulled then 'missing account'
        when not is_pulled then 'not pulled'
        when cost_source = 'cost_explorer' then 'same source'
        when bill_usd = explorer_usd then 'equal'
        when is_close and shifted_usd <> 0 then 'capacity block'
        when is_close then 'rounding'
        when
            is_commitment_alike
            and record_type in ('SavingsPlanCoveredUsage', 'SavingsPlanNegation')
            then 'commitment treatment'
        when is_day_alike then 'another record type'
        when
            is_month_alike
            and (record_type in ('Tax', 'Credit', 'Refund', 'Fee', 'Rounding', 'RIFee') or record_type like '%Discount')
            then 'another day'
        when basis = 'billed' and abs(bill_usd - blended_usd) <= 0.01 then 'blended rates'
        when basis = 'effective' and is_billed_alike then 'amortisation basis'
        when is_estimated then 'estimated'
        when is_unsettled then 'timing'
        else 'unexplained'
    end as explanation,
from compared
where usage_date >= $start_at and usage_date < $end_at
