-- I11 Tax, credit, refund: they stay whole in `adjustment`, as every charge that is no device time stays whole in its class.
select bill_of(t.twin) as bill, told_as(t.twin) as told, t.line_key, t.record_type, t.cost_class, f.cost_class, f.billed_cost_usd
from true_lines as t
join fct_cost_allocated_hourly as f on twin_of(f.account_id) = t.twin and line_key(f.cost_line_id) = t.line_key
where
    t.cost_class not in ('accelerator', 'block_fee', '')
    and told_as(t.twin) <> 'explorer'
    and (f.cost_class <> t.cost_class or f.billed_cost_usd <> t.billed_usd or f.effective_cost_usd <> t.effective_usd)
union all
select bill_of(twin_of(account_id)), told_as(twin_of(account_id)), cost_line_id, record_type, 'adjustment', cost_class, billed_cost_usd
from fct_cost_allocated_hourly
where
    (record_type in ('Tax', 'Credit', 'Refund', 'Rounding', 'SavingsPlanNegation') or record_type like '%Discount')
    and cost_class <> 'adjustment'
