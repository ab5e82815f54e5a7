-- shared_per_accelerator_dollar: how much network, storage, control plane and support comes with each accelerator dollar?
-- column: accelerator_usd | effective USD of accelerators in every class
-- column: shared_usd | effective USD of shared lines
-- column: shared_per_accelerator_ratio | shared over accelerator USD; NULL where there is no accelerator money
-- limit:  shared lines as one sum: the marts do not tell network from storage. Billed days only, since shared lines are not estimated
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
with days as (
    select
        usage_date,
        account_id,
        coalesce(sum(effective_cost_usd) filter (where chip <> 'other' and cost_class not in ('adjustment', 'shared')), 0)
            as accelerator_usd,
        coalesce(sum(effective_cost_usd) filter (where cost_class = 'shared'), 0) as shared_usd,
    from fct_cost_allocated_hourly
    where
        cost_status = 'billed'
        and usage_date >= cast($from_date as date) and usage_date < cast($to_date as date)
    group by usage_date, account_id
)

select
    usage_date,
    account_id,
    accelerator_usd,
    shared_usd,
    case when accelerator_usd > 0 then cast(shared_usd / accelerator_usd as decimal(18, 6)) end
        as shared_per_accelerator_ratio,
from days
order by usage_date, account_id
