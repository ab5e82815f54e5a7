-- break_even_throughput: how fast must Trainium be to break even, cost of the move included, and when has it paid for itself?
-- column: break_even_throughput_ratio | part of the throughput here that the other must reach, per instance, the move for nothing
-- column: required_throughput_ratio | the same with the cost of the move paid back within the horizon; NULL where that cannot be
-- column: throughput_ratio_low | lowest throughput of the other over the one that the evidence allows; NULL without evidence
-- column: throughput_ratio_high | highest
-- column: payback_days_low | days until the greatest saving has paid for the move; NULL where nothing is saved
-- column: payback_days_high | days until the least has; NULL where it never does
-- limit:  workloads that run now; cost of the move and horizon are settings, not measurements
-- param:  price_basis = '' | as in mart_chip_comparison; '' is all
select
    workload_id,
    instance_type_from,
    instance_type_to,
    price_basis,
    cost_usd_per_month,
    migration_cost_usd,
    break_even_throughput_ratio,
    required_throughput_ratio,
    throughput_ratio_low,
    throughput_ratio_high,
    payback_days_low,
    payback_days_high,
    evidence_grade,
    why,
from mart_chip_comparison
where
    chip_to like 'Trainium%' and cost_usd_per_month is not null and break_even_throughput_ratio is not null
    and ($price_basis = '' or price_basis = $price_basis)
order by cost_usd_per_month desc, workload_id, instance_type_from, instance_type_to, price_basis
