-- cheaper_chip: which workloads would be cheaper on Trainium or Inferentia, at which prices and on which evidence?
-- column: verdict | cheaper, dearer, overlapping, not measured or no price
-- column: cost_ratio_low | lowest cost of the same work there over here; NULL without evidence or price
-- column: cost_ratio_high | highest
-- column: break_even_throughput_ratio | part of the throughput here that the other must reach, per instance; NULL without price
-- column: saving_usd_per_month_low | least saving in 30 days, negative where it costs more
-- column: saving_usd_per_month_high | most
-- column: evidence_grade | grade of the weaker side: a vendor claim alone gives no verdict
-- limit:  figures that others published stand as -/-/published/… and speak of their model and bar, not of your workload
-- param:  price_basis = '' | as in mart_chip_comparison, such as on_demand or capacity_block; '' is all
-- param:  verdict = '' | only this verdict; '' is all
select
    workload_id,
    instance_type_from,
    instance_type_to,
    price_basis,
    verdict,
    cost_ratio_low,
    cost_ratio_high,
    break_even_throughput_ratio,
    saving_usd_per_month_low,
    saving_usd_per_month_high,
    evidence_grade,
    price_date,
    why,
from mart_chip_comparison
where
    (chip_to like 'Trainium%' or chip_to like 'Inferentia%')
    and not (chip_from like 'Trainium%' or chip_from like 'Inferentia%')
    and ($price_basis = '' or price_basis = $price_basis) and ($verdict = '' or verdict = $verdict)
order by saving_usd_per_month_high desc nulls last, workload_id, instance_type_from, instance_type_to, price_basis
