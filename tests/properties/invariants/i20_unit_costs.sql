-- I20 Unit cost: money over units to the nearest 1e-10 USD; without units or money NULL and a reason; no unit lost.
with asked as (
    select cast(regexp_extract(workload_id, 't(\d{7})', 1) as integer) as twin, *
    from mart_unit_cost_daily
)

select bill_of(twin) as bill, workload_id, chip, units, effective_cost_usd, cost_per_million_units_usd, reason_if_null
from asked
where
    (cost_per_million_units_usd is null) <> (reason_if_null <> '')
    or (coalesce(units, 0) = 0 and cost_per_million_units_usd is not null)
    or (units > 0 and effective_cost_usd is not null and cost_per_million_units_usd is null)
    or abs(units(cost_per_million_units_usd) * units - units(effective_cost_usd) * 1000000) * 2 > units
union all
select b.number, told_as(twin), '', a.units, b.tokens, null, ''
from true_bills as b
join (select bill_of(twin) as number, twin, coalesce(sum(units), 0) as units from asked group by all) as a using (number)
where a.units <> b.tokens * b.node_count
