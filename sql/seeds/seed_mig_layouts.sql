-- seed_mig_layouts: how many more MIG instances of each size fit beside those that a GPU is cut into.
-- grain:  device_slice_count, layout, wanted_slice_count
-- column: device_slice_count | compute slices of the whole device
-- column: layout | compute slices of the instances there, largest first, joined by +
-- column: wanted_slice_count | compute slices of the further instance
-- column: fit_count_low | how many fit in the worst arrangement of those there: exporters do not tell where an instance lies
-- column: fit_count_high | how many fit in the best
-- column: source | where the placements come from
-- check:  fail | fit_count_low between 0 and fit_count_high | the best arrangement holds no less than the worst

select
    cast(device_slice_count as integer) as device_slice_count,
    layout,
    cast(wanted_slice_count as integer) as wanted_slice_count,
    cast(fit_count_low as integer) as fit_count_low,
    cast(fit_count_high as integer) as fit_count_high,
    source,
from read_csv($seeds_dir || '/mig_layouts.csv', header = true, all_varchar = true)
