-- mart_commitment_coverage_daily: what Savings Plans, reserved instances and Capacity Blocks covered, and what nobody used of them, per UTC day.
-- grain:  usage_date, commitment_kind, commitment_id, account_id, instance_family
-- column: usage_date | UTC day
-- column: commitment_kind | savings_plan, reserved_instance or capacity_block; spot, or none for usage that nothing covered
-- column: commitment_id | ARN of the plan or reserved instance, or the block (cr-…); '' where there is none or Cost Explorer alone speaks
-- column: owner_account_id | account that bought it, as the ARN or the fee says; NULL where there is none or nobody says
-- column: account_id | account that used it; on a row of unused commitment the account that is billed for it
-- column: instance_family | EC2 instance family as p5 or trn1; '' for other services, and for what nobody used of a Savings Plan
-- column: effective_cost_usd | effective USD of the usage on this row; NULL where the row has no usage
-- column: on_demand_equivalent_usd | the same usage at public on-demand price; NULL where some of it has no public price
-- column: coverage_ratio | part of the day's usage of this account and family that this row covers, at public on-demand price, spot left out; NULL where some of that usage has no public price
-- column: used_usd | USD of the commitment that was used here, upfront spread; NULL where there is no commitment
-- column: unused_usd | USD of the commitment that nobody used, upfront spread; NULL where there is no commitment. A reserved instance tells it by the month: it is spread evenly over the days billed so far
-- column: commitment_usd | used plus unused; NULL where there is no commitment
-- column: utilization_ratio | used over used plus unused, of the whole commitment that day: the same on all its rows; NULL where there is none
-- check:  fail | commitment_kind in ('savings_plan', 'reserved_instance', 'capacity_block', 'spot', 'none') | no other kind exists
-- check:  fail | coverage_ratio is null or coverage_ratio between 0 and 1 | a ratio is between 0 and 1
-- check:  warn | utilization_ratio is null or utilization_ratio between 0 and 1 | more was used of a commitment than it holds, or a correction is larger than the use of its day
-- check:  fail | query: with blocks as (select commitment_id, sum(commitment_usd) as usd from mart_commitment_coverage_daily where commitment_kind = 'capacity_block' group by commitment_id), pieces as (select block_id as commitment_id, sum(effective_cost_usd) as usd from int_capacity_block_pieces group by block_id) select commitment_id, b.usd as commitment_usd, p.usd as spread_usd from blocks as b full join pieces as p using (commitment_id) where b.usd is distinct from p.usd | what is used and unused of a Capacity Block is what was spread of its fee, exactly
-- window: usage_date
-- lookback: 31 days

with lines as (
    select *
    from int_cost_lines
    where usage_hour_at >= date_trunc('month', $start_at) and usage_hour_at < $end_at
),

-- the hours that instances ran in a block: their other lines (the operating system) belong to it too
block_hours as (
    select
        usage_hour_at,
        instance_id,
        min(block_id) as block_id,
    from int_capacity_block_pieces
    where instance_id <> '' and usage_hour_at >= $start_at and usage_hour_at < $end_at
    group by usage_hour_at, instance_id
),

block_prices as (
    select
        p.cost_line_id,
        cast(cast(
            cast(min(r.usd_per_hour) * 10000000000 as hugeint) * min(p.used_ms) // 3600000 as decimal(28, 0)
        ) * 0.0000000001 as decimal(38, 10)) as list_cost_usd,
    from int_capacity_block_pieces as p
    join int_prices as r
        on
            p.instance_type = r.instance_type
            and p.region = r.region
            and r.price_basis = 'on_demand'
            and p.usage_hour_at >= r.valid_from_at
            and p.usage_hour_at < r.valid_until_at
    where p.usage_hour_at >= $start_at and p.usage_hour_at < $end_at
    group by p.cost_line_id
),

usage as (
    select
        l.usage_date,
        case
            when b.block_id is not null then 'capacity_block'
            when l.commitment_kind <> '' then l.commitment_kind
            when l.is_spot then 'spot'
            else 'none'
        end as commitment_kind,
        coalesce(b.block_id, l.commitment_id) as commitment_id,
        l.account_id,
        split_part(l.instance_type, '.', 1) as instance_family,
        l.effective_cost_usd,
        case
            when b.block_id is null then l.list_cost_usd
            when l.commitment_kind = '' then 0
            else p.list_cost_usd
        end as on_demand_usd,
        l.commitment_used_usd as used_usd,
        cast(0 as decimal(38, 10)) as unused_usd,
        true as is_usage,
    from lines as l
    left join block_hours as b using (usage_hour_at, instance_id)
    left join block_prices as p using (cost_line_id)
    where
        l.usage_hour_at >= $start_at
        and (
            l.commitment_used_usd is not null
            or (
                l.record_type = 'Usage'
                and l.instance_type <> ''
                and regexp_matches(l.usage_type, '(^|[-:])(BoxUsage|SpotUsage|DedicatedUsage)(:|$)')
            )
        )
),

-- what nobody used, over the time it was billed for so far
unused_lines as (
    select
        *,
        greatest(least(usage_end_at, delivered_at), usage_hour_at + interval 1 hour) as until_at,
        cast(commitment_unused_usd * 10000000000 as hugeint) as unused_units,
    from lines
    where commitment_unused_usd is not null
),

unused_days as (
    select
        *,
        unnest(generate_series(
            date_trunc('day', usage_hour_at), until_at - interval 1 millisecond, interval 1 day
        )) as day_at,
        epoch_ms(until_at) - epoch_ms(usage_hour_at) as line_ms,
    from unused_lines
),

-- whole units up to the end of the day less those up to its start: the days sum to the line
unused as (
    select
        cast(day_at as date) as usage_date,
        commitment_kind,
        commitment_id,
        account_id,
        split_part(instance_type, '.', 1) as instance_family,
        unused_units * (epoch_ms(least(until_at, day_at + interval 1 day)) - epoch_ms(usage_hour_at)) // line_ms
        - unused_units * (epoch_ms(greatest(usage_hour_at, day_at)) - epoch_ms(usage_hour_at)) // line_ms as unused_units,
    from unused_days
    where day_at >= $start_at and day_at < $end_at
),

every_row as (
    select *
    from usage
    union all by name
    select
        usage_date,
        commitment_kind,
        commitment_id,
        account_id,
        instance_family,
        cast(0 as decimal(38, 10)) as used_usd,
        cast(cast(unused_units as decimal(28, 0)) * 0.0000000001 as decimal(38, 10)) as unused_usd,
        false as is_usage,
    from unused
),

sums as (
    select
        usage_date,
        commitment_kind,
        commitment_id,
        account_id,
        instance_family,
        bool_or(is_usage) as is_usage,
        sum(effective_cost_usd) as effective_cost_usd,
        case when count(on_demand_usd) = count(*) filter (where is_usage) then sum(on_demand_usd) end as on_demand_usd,
        case when commitment_kind not in ('spot', 'none') then coalesce(sum(used_usd), 0) end as used_usd,
        case when commitment_kind not in ('spot', 'none') then sum(unused_usd) end as unused_usd,
        max(account_id) filter (where not is_usage) as billed_account_id,
    from every_row
    group by usage_date, commitment_kind, commitment_id, account_id, instance_family
),

compared as (
    select
        *,
        sum(on_demand_usd) filter (where commitment_kind <> 'spot') over family as family_usd,
        count(*) filter (where is_usage and commitment_kind <> 'spot' and on_demand_usd is null) over family
            as unpriced_count,
        sum(used_usd) over commitment as all_used_usd,
        sum(used_usd + unused_usd) over commitment as all_usd,
        max(billed_account_id) over commitment as all_billed_account_id,
    from sums
    window
        family as (partition by usage_date, account_id, instance_family),
        commitment as (partition by usage_date, commitment_kind, commitment_id)
)

select
    usage_date,
    commitment_kind,
    commitment_id,
    coalesce(nullif(regexp_extract(commitment_id, '^arn:[^:]*:[^:]*:[^:]*:([0-9]+):', 1), ''), all_billed_account_id)
        as owner_account_id,
    account_id,
    instance_family,
    cast(effective_cost_usd as decimal(38, 10)) as effective_cost_usd,
    cast(on_demand_usd as decimal(38, 10)) as on_demand_equivalent_usd,
    case
        when is_usage and commitment_kind <> 'spot' and unpriced_count = 0
            then cast(on_demand_usd / nullif(family_usd, 0) as decimal(9, 6))
    end as coverage_ratio,
    cast(used_usd as decimal(38, 10)) as used_usd,
    cast(unused_usd as decimal(38, 10)) as unused_usd,
    cast(used_usd + unused_usd as decimal(38, 10)) as commitment_usd,
    cast(all_used_usd / nullif(all_usd, 0) as decimal(9, 6)) as utilization_ratio,
from compared
