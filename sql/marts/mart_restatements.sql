-- mart_restatements: what each delivery of a bill changed, per billing period, account and record type; the changes of a period add up to its bill.
-- grain:  billing_period, delivered_at, account_id, record_type, status
-- column: billing_period | first day of the billing period
-- column: delivered_at | when the supplier made the delivery
-- column: account_id | usage account
-- column: record_type | record type of the lines
-- column: status | applied, or pending: the period is closed, and its published figures are those of before
-- column: cause | first: nothing was known of the account's month; source: another source, or one more payer, speaks since; restated: the same source says otherwise
-- column: cost_source | source that speaks since: cur, focus or cost_explorer
-- column: previous_usd | billed before; NULL where nothing was known of the account's month
-- column: current_usd | billed since
-- column: change_usd | current minus previous
-- column: previous_effective_usd | effective before; NULL where nothing was known of the account's month
-- column: current_effective_usd | effective since, as the supplier tells it: the fee of a Capacity Block, spread elsewhere, stands whole where it was charged
-- column: change_effective_usd | current minus previous
-- check:  fail | change_usd = current_usd - coalesce(previous_usd, 0) and change_effective_usd = current_effective_usd - coalesce(previous_effective_usd, 0) | a change is the difference
-- check:  fail | query: select billing_period, account_id, record_type, coalesce(r.billed, 0) as changes_usd, coalesce(b.billed_cost_usd, 0) as bill_usd, coalesce(r.effective, 0) as changes_effective_usd, coalesce(b.effective_cost_usd, 0) as bill_effective_usd from (select billing_period, account_id, record_type, sum(change_usd) as billed, sum(change_effective_usd) as effective from mart_restatements group by billing_period, account_id, record_type) as r full join int_bills as b using (billing_period, account_id, record_type) where coalesce(r.billed, 0) <> coalesce(b.billed_cost_usd, 0) or coalesce(r.effective, 0) <> coalesce(b.effective_cost_usd, 0) | the changes of all deliveries do not add up to the bill
-- check:  warn | status <> 'pending' | a closed period has later deliveries, which its published figures leave out; to let them in: chipledger reopen PERIOD

with changes as (
    select * from int_bill_changes
),

events as (
    select distinct
        billing_period,
        account_id,
        is_pending,
        delivered_at,
    from changes
),

cells as (
    select distinct
        billing_period,
        account_id,
        payer_account_id,
        cost_source,
        export_name,
        record_type,
    from changes
),

-- what every source says after every event
states as (
    select
        e.*,
        c.payer_account_id,
        c.cost_source,
        c.export_name,
        c.record_type,
        sum(coalesce(d.line_count_change, 0)) over so_far as line_count,
        sum(coalesce(d.change_usd, 0)) over so_far as billed,
        sum(coalesce(d.change_effective_usd, 0)) over so_far as effective,
        max(d.delivered_at) over so_far as spoken_at,
        max(d.focus_version) over so_far as focus_version,
    from events as e
    join cells as c on e.billing_period = c.billing_period and e.account_id = c.account_id
    left join changes as d
        on
            e.billing_period = d.billing_period and e.account_id = d.account_id and e.is_pending = d.is_pending
            and e.delivered_at = d.delivered_at and c.payer_account_id = d.payer_account_id
            and c.cost_source = d.cost_source and c.export_name = d.export_name
            and c.record_type = d.record_type
    window so_far as (
        partition by
            c.billing_period, c.account_id, c.payer_account_id, c.cost_source, c.export_name, c.record_type
        order by e.is_pending, e.delivered_at
    )
),

present as (
    select
        billing_period,
        account_id,
        is_pending,
        delivered_at,
        payer_account_id,
        cost_source,
        export_name,
        max(focus_version) as focus_version,
        max(spoken_at) as spoken_at,
    from states
    group by billing_period, account_id, is_pending, delivered_at, payer_account_id, cost_source, export_name
    having sum(line_count) > 0
),

-- one bill per payer where all exports tell who pays, as in int_bill_sources; Cost Explorer never does
billed as (
    select
        *,
        case
            when
                cost_source <> 'cost_explorer'
                and min(payer_account_id) filter (where cost_source <> 'cost_explorer') over (
                    partition by billing_period, account_id, is_pending, delivered_at
                ) <> ''
                then payer_account_id
            else ''
        end as bill_payer_id,
    from present
),

living as (
    select
        billing_period,
        account_id,
        is_pending,
        delivered_at,
        bill_payer_id,
        cost_source,
        export_name,
        max(focus_version) as focus_version,
        max(spoken_at) >= max(max(spoken_at)) over (
            partition by billing_period, account_id, is_pending, delivered_at, bill_payer_id, cost_source
        ) - interval 2 days as is_alive,
    from billed
    group by billing_period, account_id, is_pending, delivered_at, bill_payer_id, cost_source, export_name
),

-- which of them is the bill: the order of int_bill_sources, Cost Explorer last
speaking as (
    select
        *,
        cost_source || '/' || export_name as speaker,
    from living
    qualify
        row_number() over (
            partition by billing_period, account_id, is_pending, delivered_at, bill_payer_id
            order by
                cost_source = 'cost_explorer', cost_source, is_alive desc, focus_version desc, export_name = 'files',
                export_name
        ) = 1
        and dense_rank() over (
            partition by billing_period, account_id, is_pending, delivered_at
            order by cost_source = 'cost_explorer', cost_source
        ) = 1
),

speakers as (
    select
        billing_period,
        account_id,
        is_pending,
        delivered_at,
        min(cost_source) as cost_source,
        string_agg(distinct speaker, ', ' order by speaker) as speaker,
    from speaking
    group by billing_period, account_id, is_pending, delivered_at
),

bills as (
    select
        s.billing_period,
        s.account_id,
        s.is_pending,
        s.delivered_at,
        s.record_type,
        p.cost_source,
        p.speaker,
        sum(s.line_count) filter (where b.speaker is not null) as line_count,
        sum(s.billed) filter (where b.speaker is not null) as billed,
        sum(s.effective) filter (where b.speaker is not null) as effective,
    from states as s
    left join speaking as b
        on
            s.billing_period = b.billing_period and s.account_id = b.account_id and s.is_pending = b.is_pending
            and s.delivered_at = b.delivered_at and s.cost_source = b.cost_source and s.export_name = b.export_name
            and b.bill_payer_id in ('', s.payer_account_id)
    left join speakers as p
        on
            s.billing_period = p.billing_period and s.account_id = p.account_id and s.is_pending = p.is_pending
            and s.delivered_at = p.delivered_at
    group by s.billing_period, s.account_id, s.is_pending, s.delivered_at, s.record_type, p.cost_source, p.speaker
),

ordered as (
    select
        *,
        row_number() over in_order as event_number,
        lag(speaker) over in_order as previous_speaker,
        lag(cost_source) over in_order as previous_source,
        lag(coalesce(billed, 0)) over in_order as previous_usd,
        coalesce(billed, 0) as current_usd,
        lag(coalesce(effective, 0)) over in_order as previous_effective_usd,
        coalesce(effective, 0) as current_effective_usd,
    from bills
    window in_order as (
        partition by billing_period, account_id, record_type
        order by is_pending, delivered_at
    )
)

select
    billing_period,
    delivered_at,
    account_id,
    record_type,
    case when is_pending then 'pending' else 'applied' end as status,
    case
        when event_number = 1 then 'first'
        when coalesce(speaker, '') <> coalesce(previous_speaker, '') then 'source'
        else 'restated'
    end as cause,
    coalesce(cost_source, previous_source) as cost_source,
    cast(previous_usd as decimal(38, 10)) as previous_usd,
    cast(current_usd as decimal(38, 10)) as current_usd,
    cast(current_usd - coalesce(previous_usd, 0) as decimal(38, 10)) as change_usd,
    cast(previous_effective_usd as decimal(38, 10)) as previous_effective_usd,
    cast(current_effective_usd as decimal(38, 10)) as current_effective_usd,
    cast(current_effective_usd - coalesce(previous_effective_usd, 0) as decimal(38, 10)) as change_effective_usd,
from ordered
where
    (event_number = 1 and coalesce(line_count, 0) > 0)
    or current_usd <> coalesce(previous_usd, 0)
    or current_effective_usd <> coalesce(previous_effective_usd, 0)
