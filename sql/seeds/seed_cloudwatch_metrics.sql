-- seed_cloudwatch_metrics: the Container Insights metrics that are read, and the scale of their values (never told by name or unit).
-- grain:  metric_name
-- column: metric_name | CloudWatch metric name
-- column: cloudwatch_unit | unit under which CloudWatch lists it
-- column: scale | what its values really are: percent, ratio, bytes, bytes/second, watts, celsius
-- column: factor_to_canonical | exact factor from scale to canonical_unit
-- column: canonical_unit | house unit
-- column: source | where scale and unit were read
-- check:  fail | factor_to_canonical > 0 | a unit factor of zero or less turns telemetry into nonsense
-- check:  fail | scale <> 'percent' or factor_to_canonical = 0.01 and canonical_unit = 'ratio' | percent is a hundredth of a ratio
select
    metric_name,
    cloudwatch_unit,
    scale,
    cast(factor_to_canonical as decimal(38, 10)) as factor_to_canonical,
    canonical_unit,
    source,
from read_csv($seeds_dir || '/cloudwatch_metrics.csv', header = true, all_varchar = true)
