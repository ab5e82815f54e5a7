-- seed_evidence_grades: how far a throughput figure can be trusted, by who measured it.
-- grain:  evidence_grade
-- column: evidence_grade | withdrawn, vendor claim, vendor table, partner, independent or own measurement
-- column: grade_rank | the higher speaks before the lower
-- column: spread_ratio | half width of the interval that one figure alone gets, as part of the figure
-- column: is_admissible | it may carry a verdict
-- column: reason | why
-- check:  fail | spread_ratio >= 0 and spread_ratio < 1 | an interval does not reach zero
-- check:  fail | is_admissible or spread_ratio = 0 | what carries no verdict needs no interval

select
    evidence_grade,
    cast(grade_rank as integer) as grade_rank,
    cast(spread_ratio as decimal(9, 6)) as spread_ratio,
    cast(is_admissible as boolean) as is_admissible,
    reason,
from read_csv($seeds_dir || '/evidence_grades.csv', header = true, all_varchar = true)
