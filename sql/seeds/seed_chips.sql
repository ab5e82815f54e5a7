-- seed_chips: accelerator chips, how telemetry names them, and their peak rates.
-- grain:  chip
-- column: chip | name of the chip in every mart
-- column: vendor | AWS or NVIDIA
-- column: model_pattern | case-insensitive regular expression over modelName or the Neuron device type
-- column: memory_bytes | device memory of one chip, bytes
-- column: peak_bf16_flops | dense BF16 FLOP/s of one chip; NULL where no source states it
-- column: source | where the figures come from
-- check:  fail | memory_bytes > 0 | a chip without memory is a typing error

select
    chip,
    vendor,
    model_pattern,
    cast(memory_bytes as bigint) as memory_bytes,
    cast(nullif(peak_bf16_flops, '') as bigint) as peak_bf16_flops,
    source,
from read_csv($seeds_dir || '/chips.csv', header = true, all_varchar = true)
