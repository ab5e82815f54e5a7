-- int_hour_estimates: what each accelerated instance-hour is thought to cost while no bill tells: its own recent rate, else the list price, else no price.
-- grain:  usage_hour_at, instance_id
-- column: usage_hour_at | UTC hour
-- column: usage_date | UTC day
-- column: instance_id | EC2 instance
-- column: cost_line_id | name of the estimate where it stands for a line of the bill
-- column: account_id | account that pays
-- column: region | AWS region, '' where unknown
-- column: instance_type | EC2 instance type
-- column: chip | chip of its devices
-- column: is_spot | the inventory calls it a spot instance
-- column: is_covered | the bill of its account reaches beyond the hour: the estimate only tells how good estimates are
-- column: usage_ms | milliseconds of instance time
-- column: price_source | own_rate, list or none
-- column: billed_cost_usd | USD as it would be invoiced; NULL without a price
-- column: effective_cost_usd | USD after discounts, commitments and upfront fees spread over use; the list price where no own rate is known; NULL without a price
-- column: list_cost_usd | USD at public on-demand price; NULL where none is known
-- check:  fail | price_source in ('own_rate', 'list', 'none') | a price comes from somewhere
-- check:  fail | (effective_cost_usd is null) = (price_source = 'none') | no price, no cost
-- check:  warn | is_covered or price_source <> 'none' | no price is known for these unbilled instance-hours: their money is missing until the bill comes; add a price list
-- check:  warn | query: select account_id, cast(date_trunc('month', usage_hour_at) as date) as billing_period, count(*) as instance_hours, cast(sum(usage_ms) / 3600000 as decimal(18, 6)) as paid_hours from int_hour_estimates where is_covered and usage_hour_at >= $start_at and usage_hour_at < $end_at and (account_id, cast(date_trunc('month', usage_hour_at) as date)) not in (select (s.account_id, s.billing_period) from int_bill_sources as s) and (account_id, cast(date_trunc('month', usage_hour_at) as date)) not in (select (e.account_id, cast(date_trunc('month', e.usage_date) as date)) from int_cost_explorer_days as e) and (usage_hour_at, instance_id) in (select (a.usage_hour_at, a.instance_id) from int_accelerator_hours as a where a.usage_hour_at >= $start_at and a.usage_hour_at < $end_at) group by account_id, billing_period | instances were seen in months that no bill of their account holds, while a later month has one: their money is missing, and is no longer estimated. Deliver the months, or let Cost Explorer be pulled for them
-- window: usage_hour_at

with hours as (
    select
        h.usage_hour_at,
        cast(h.usage_hour_at as date) as usage_date,
        h.instance_id,
        h.account_id,
        h.region,
        h.instance_type,
        h.chip,
        h.is_spot,
        coalesce(h.usage_hour_at < c.covered_until_at, false) as is_covered,
        cast(h.capacity_ns // (cast(h.device_count as bigint) * 1000000) as bigint) as usage_ms,
    from int_instance_hours as h
    left join int_bill_coverage as c using (account_id)
    where h.usage_hour_at >= $start_at and h.usage_hour_at < $end_at
),

-- a spot price is told per zone and hour
listed as (
    select
        h.usage_hour_at,
        h.instance_id,
        max(p.usd_per_hour) filter (where p.price_basis = 'on_demand') as on_demand_usd,
        cast(avg(p.usd_per_hour) filter (where p.price_basis = 'spot') as decimal(38, 10)) as spot_usd,
    from hours as h
    join int_prices as p
        on
            h.instance_type = p.instance_type
            and h.region = p.region
            and h.usage_hour_at >= p.valid_from_at
            and h.usage_hour_at < p.valid_until_at
    where p.price_basis in ('on_demand', 'spot')
    group by h.usage_hour_at, h.instance_id
),

priced as (
    select
        h.*,
        l.on_demand_usd,
        coalesce(r.billed_usd_per_hour, case when h.is_spot then l.spot_usd else l.on_demand_usd end) as billed_rate,
        coalesce(r.effective_usd_per_hour, case when h.is_spot then l.spot_usd else l.on_demand_usd end) as effective_rate,
        case
            when r.effective_usd_per_hour is not null then 'own_rate'
            when case when h.is_spot then l.spot_usd else l.on_demand_usd end is not null then 'list'
            else 'none'
        end as price_source,
    from hours as h
    left join listed as l using (usage_hour_at, instance_id)
    left join int_own_rates as r
        on
            h.usage_date = r.usage_date
            and h.account_id = r.account_id
            and h.instance_type = r.instance_type
            and h.is_spot = r.is_spot
            and r.usage_date >= cast($start_at as date)
            and r.usage_date <= cast($end_at as date)
)

select
    usage_hour_at,
    usage_date,
    instance_id,
    strftime(usage_hour_at, 'estimate/%Y%m%dT%HZ/') || instance_id as cost_line_id,
    account_id,
    region,
    instance_type,
    chip,
    is_spot,
    is_covered,
    usage_ms,
    price_source,
    cast(cast(billed_rate as decimal(18, 10)) * usage_ms / 3600000 as decimal(38, 10)) as billed_cost_usd,
    cast(cast(effective_rate as decimal(18, 10)) * usage_ms / 3600000 as decimal(38, 10)) as effective_cost_usd,
    cast(cast(on_demand_usd as decimal(18, 10)) * usage_ms / 3600000 as decimal(38, 10)) as list_cost_usd,
from priced
