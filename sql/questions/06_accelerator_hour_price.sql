-- accelerator_hour_price: what is really paid for an accelerator-hour of each instance type, against the list price?
-- column: device_hours | accelerator-hours of capacity paid for
-- column: effective_usd_per_device_hour | effective USD of the instance over its accelerator-hours, whoever used them
-- column: list_usd_per_device_hour | the same at public on-demand prices; NULL where a line of it has no list price
-- column: effective_over_list_ratio | below 1 is cheaper than on demand
-- limit:  billed days only; fees for what was reserved and not used are idle, not a price: question 4 shows them
-- limit:  Capacity Block quotes and other vendors' prices are not in these marts
-- param:  from_date = '1970-01-01' | first UTC day
-- param:  to_date = '9999-12-31' | day after the last
with paid as (
    select
        usage_date,
        instance_type,
        chip,
        sum(effective_cost_usd) as effective_usd,
        sum(list_cost_usd) as list_usd,
        count(*) = count(list_cost_usd) as is_listed,
        bool_or(cost_status = 'estimated') as is_estimated,
    from fct_cost_allocated_hourly
    where
        -- what is spread by device time; a daily group of several instances names none of them
        cost_class in ('workload', 'idle.unallocated', 'unattributed') and chip <> 'other' and allocation_policy <> ''
        and usage_date >= cast($from_date as date) and usage_date < cast($to_date as date)
    group by all
),

capacity as (
    select
        usage_date,
        instance_type,
        chip,
        sum(device_hours) as device_hours,
    from mart_accelerator_utilization_daily
    group by all
)

select
    p.instance_type,
    p.chip,
    sum(c.device_hours) as device_hours,
    sum(p.effective_usd) as effective_cost_usd,
    cast(sum(p.effective_usd) / nullif(sum(c.device_hours), 0) as decimal(38, 10)) as effective_usd_per_device_hour,
    case
        when bool_and(p.is_listed)
            then cast(sum(p.list_usd) / nullif(sum(c.device_hours), 0) as decimal(38, 10))
    end as list_usd_per_device_hour,
    case
        when bool_and(p.is_listed)
            then cast(sum(p.effective_usd) / nullif(sum(p.list_usd), 0) as decimal(18, 6))
    end as effective_over_list_ratio,
from paid as p
inner join capacity as c on p.usage_date = c.usage_date and p.instance_type = c.instance_type and p.chip = c.chip
where not p.is_estimated
group by p.instance_type, p.chip
order by effective_cost_usd desc, p.instance_type, p.chip
