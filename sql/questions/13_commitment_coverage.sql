-- commitment_coverage: what did Savings Plans, reservations and Capacity Blocks cover, and what of them went unused, by owner?
-- column: owner_account_id | account that bought it; NULL where nobody says
-- column: used_usd | USD of the commitment that was used, upfront spread
-- column: unused_usd | USD of it that nobody used
-- column: utilization_ratio | used over used plus unused, from sums; NULL where that is not above 0
-- column: on_demand_equivalent_usd | the covered usage at public on-demand price; NULL where some of it has none
-- column: saving_usd | that minus used and unused: negative where the commitment cost more than it saved; NULL where unknown
-- limit:  usage that nothing covered and spot are left out: they are rows of mart_commitment_coverage_daily with no commitment
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
with commitments as (
    select
        owner_account_id,
        commitment_kind,
        commitment_id,
        sum(coalesce(used_usd, 0)) as used_usd,
        sum(coalesce(unused_usd, 0)) as unused_usd,
        case
            when count(*) filter (where effective_cost_usd is not null and on_demand_equivalent_usd is null) = 0
                then sum(coalesce(on_demand_equivalent_usd, 0))
        end as on_demand_equivalent_usd,
    from mart_commitment_coverage_daily
    where
        commitment_kind in ('savings_plan', 'reserved_instance', 'capacity_block')
        and usage_date >= cast($from_date as date) and usage_date < cast($to_date as date)
    group by owner_account_id, commitment_kind, commitment_id
)

select
    *,
    case when used_usd + unused_usd > 0 then cast(used_usd / (used_usd + unused_usd) as decimal(18, 6)) end
        as utilization_ratio,
    on_demand_equivalent_usd - used_usd - unused_usd as saving_usd,
from commitments
order by unused_usd desc, commitment_kind, commitment_id, owner_account_id
