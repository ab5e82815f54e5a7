-- I10 Basis separation: each line has the two costs the contract names; used and unused make the commitment; an upfront fee has no effective cost.
select bill_of(t.twin) as bill, told_as(t.twin) as told, t.line_key, t.billed_usd, l.billed_cost_usd, t.effective_usd, l.effective_cost_usd
from true_lines as t
join int_cost_lines as l on twin_of(l.account_id) = t.twin and line_key(l.cost_line_id) = t.line_key
where
    (t.billed_usd, t.list_usd) is distinct from (l.billed_cost_usd, l.list_cost_usd)
    or (t.cost_class <> 'block_fee' and t.effective_usd <> l.effective_cost_usd)
union all
select bill_of(twin_of(f.account_id)), f.record_type, f.cost_line_id, f.billed_cost_usd, null, null, f.effective_cost_usd
from fct_cost_allocated_hourly as f
where
    (f.record_type in ('SavingsPlanUpfrontFee', 'SavingsPlanNegation') and f.effective_cost_usd <> 0)
    or f.billed_cost_usd is null
    or f.effective_cost_usd is null
union all
select bill, 'commitment', '', c.committed_usd, null, c.spread_usd, null
from (
    select
        bill_of(t.twin) as bill, t.twin, sum(t.commitment_usd) as committed_usd,
        (
            select sum(f.effective_cost_usd)
            from fct_cost_allocated_hourly as f
            where
                twin_of(f.account_id) = t.twin
                and f.record_type in ('SavingsPlanCoveredUsage', 'SavingsPlanRecurringFee')
        ) as spread_usd,
    from true_lines as t
    join true_bills as b on b.number = bill_of(t.twin)
    where
        t.record_type = 'SavingsPlanRecurringFee'
        and t.line_key like 'n%'
        and not b.has_net
        -- a plan that nothing in the bill drew from has its own line
        and not exists (
            select 1 from true_lines as x
            where x.twin = t.twin and x.line_key like 'x%' and x.record_type = 'SavingsPlanRecurringFee'
        )
    group by t.twin
) as c
where c.committed_usd <> c.spread_usd
union all
select bill_of(twin_of(account_id)), 'covered and negated', '', sum(billed_cost_usd), null, null, null
from fct_cost_allocated_hourly
where record_type in ('SavingsPlanCoveredUsage', 'SavingsPlanNegation') and cost_source = 'cur'
group by twin_of(account_id)
having sum(billed_cost_usd) <> 0
