-- int_bill_changes: by how much each delivery changed what its source says of an account's month, in the order in which they counted.
-- grain:  billing_period, account_id, payer_account_id, cost_source, export_name, is_pending, delivered_at, record_type
-- column: billing_period | first day of the billing period
-- column: account_id | usage account
-- column: payer_account_id | account that pays, '' where the source does not tell
-- column: cost_source | cur, focus or cost_explorer
-- column: export_name | export, 'files' for FOCUS files without a Manifest, '' for Cost Explorer
-- column: is_pending | the period is closed, and the delivery came after the figures that stay
-- column: delivered_at | when the supplier made it; of several files or pages of one bill the last
-- column: record_type | record type
-- column: focus_version | newest FOCUS version of the delivery, '' elsewhere
-- column: line_count_change | lines more than before
-- column: change_usd | billed, more than before
-- column: change_effective_usd | effective, more than before
-- check:  fail | change_usd is not null and change_effective_usd is not null | a change is a number

with closed as (
    select
        billing_period,
        deliveries_seen,
    from int_period_actions
    where is_closing
),

-- what is replaced together: an export's month; of files without a Manifest an account's day
totals as (
    select
        *,
        case when delivered_period is null then 'files' else export_name end as speaking_name,
        concat_ws(
            '/', cost_source, case when delivered_period is null then 'files' else export_name end,
            case when delivered_period is null then payer_account_id end,
            case when delivered_period is null then account_id end,
            coalesce(delivered_period, billing_period), case when delivered_period is null then charge_date end
        ) as slot,
    from int_bill_totals
),

spaced as (
    select
        *,
        delivered_at - lag(delivered_at, 1, delivered_at)
            over (partition by slot, execution_id order by delivered_at) as gap,
    from (
        select distinct
            slot,
            execution_id,
            object,
            delivery_id,
            delivered_at,
            landed_number,
        from totals
        where delivered_period is null
    ) as sets
),

-- the files of one set are written within an hour; an older run of the set is replaced whole
files as (
    select
        *,
        count(*) filter (where gap > interval 1 hour)
            over (partition by slot, execution_id order by delivered_at range unbounded preceding) as run_number,
    from spaced
),

runs as (
    select
        *,
        max(delivered_at) over (partition by slot, execution_id, run_number) as run_at,
    from files
),

parts as (
    select
        slot,
        execution_id || '/' || run_number as version,
        execution_id as tie,
        run_at as delivered_at,
        delivery_id,
        landed_number,
    from runs
    where delivered_at >= run_at - interval 1 hour
    qualify
        row_number() over (
            partition by slot, execution_id, run_number, object
            order by delivered_at desc, delivery_id desc
        ) = 1
    union all by name
    select distinct
        slot,
        cast(delivery_id as varchar) as version,
        cast(delivery_id as varchar) as tie,
        delivered_at,
        delivery_id,
        landed_number,
    from totals
    where delivered_period is not null
),

told as (
    select
        p.slot,
        p.version,
        p.tie,
        p.delivered_at,
        t.cost_source,
        t.speaking_name as export_name,
        t.billing_period,
        t.account_id,
        t.payer_account_id,
        t.record_type,
        max(p.landed_number) over (partition by p.slot, p.version) as landed_number,
        t.focus_version,
        t.line_count,
        t.billed_cost_usd,
        t.effective_cost_usd,
    from parts as p
    join totals as t on p.slot = t.slot and p.delivery_id = t.delivery_id
    union all by name
    select
        concat_ws('/', 'cost_explorer', account_id, usage_date) as slot,
        cast(pulled_at as varchar) as version,
        '' as tie,
        pulled_at as delivered_at,
        'cost_explorer' as cost_source,
        '' as export_name,
        cast(date_trunc('month', usage_date) as date) as billing_period,
        account_id,
        '' as payer_account_id,
        record_type,
        max(landed_number) over (partition by account_id, usage_date, pulled_at) as landed_number,
        '' as focus_version,
        group_count as line_count,
        billed_cost_usd,
        effective_cost_usd,
    from int_cost_explorer_totals
),

sums as (
    select
        slot,
        version,
        cost_source,
        export_name,
        billing_period,
        account_id,
        payer_account_id,
        record_type,
        sum(line_count) as line_count,
        sum(billed_cost_usd) as billed,
        sum(effective_cost_usd) as effective,
    from told
    group by slot, version, cost_source, export_name, billing_period, account_id, payer_account_id, record_type
),

-- in a closed period what came later counts after all that is in the figures that stay; the files of a set and the
-- pages of a pull came when the last of them did
versions as (
    select
        v.*,
        coalesce(v.landed_number > c.deliveries_seen, false) as is_pending,
    from (
        select
            slot,
            version,
            tie,
            delivered_at,
            min(billing_period) as billing_period,
            max(landed_number) as landed_number,
            max(focus_version) as focus_version,
        from told
        group by slot, version, tie, delivered_at
    ) as v
    left join closed as c on v.billing_period = c.billing_period
),

-- an older delivery that comes to be known after a newer one changes nothing
spoken as (
    select *
    from versions
    qualify
        (delivered_at, tie) = max((delivered_at, tie)) over (
            partition by slot
            order by is_pending, delivered_at, tie
            rows between unbounded preceding and current row
        )
),

cells as (
    select distinct
        slot,
        cost_source,
        export_name,
        billing_period,
        account_id,
        payer_account_id,
        record_type,
    from sums
    where account_id <> ''
),

stated as (
    select
        c.*,
        v.is_pending,
        v.delivered_at,
        v.tie,
        v.focus_version,
        coalesce(s.line_count, 0) as line_count,
        coalesce(s.billed, 0) as billed,
        coalesce(s.effective, 0) as effective,
    from spoken as v
    join cells as c on v.slot = c.slot
    left join sums as s
        on
            v.slot = s.slot and v.version = s.version and c.billing_period = s.billing_period
            and c.account_id = s.account_id and c.payer_account_id = s.payer_account_id and c.record_type = s.record_type
),

changes as (
    select
        *,
        line_count - lag(line_count, 1, 0) over in_order as line_count_change,
        billed - lag(billed, 1, 0) over in_order as change_usd,
        effective - lag(effective, 1, 0) over in_order as change_effective_usd,
    from stated
    window in_order as (
        partition by slot, billing_period, account_id, payer_account_id, record_type
        order by is_pending, delivered_at, tie
    )
)

select
    billing_period,
    account_id,
    payer_account_id,
    cost_source,
    export_name,
    is_pending,
    delivered_at,
    record_type,
    max(focus_version) as focus_version,
    cast(sum(line_count_change) as bigint) as line_count_change,
    cast(sum(change_usd) as decimal(38, 10)) as change_usd,
    cast(sum(change_effective_usd) as decimal(38, 10)) as change_effective_usd,
from changes
-- of Cost Explorer, asked several times a day, only news; of exports all, since one that is no longer delivered falls silent
where cost_source <> 'cost_explorer' or line_count_change <> 0 or change_usd <> 0 or change_effective_usd <> 0
group by billing_period, account_id, payer_account_id, cost_source, export_name, is_pending, delivered_at, record_type
