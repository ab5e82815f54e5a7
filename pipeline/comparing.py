"""Would a workload be cheaper on another chip: the published answer, also at the prices of another day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path

from pipeline import reading
from pipeline.errors import UsageError
from pipeline.headers import literal
from pipeline.reading import Result

BASES = (*("on_demand", "reserved_1y", "reserved_3y", "spot", "capacity_block", "on_demand_or_block", "own_effective"),)
ORDER = """
order by price_basis, verdict = 'no price', cost_ratio_mid is null, cost_ratio_mid, instance_type_from, instance_type_to
"""

# At the prices of another day only what hangs on prices changes: what the evidence says of throughput stays.
AT_DATE = """
select
    c.* replace (
        case
            when p.break_even_throughput_ratio is null then 'no price'
            when c.throughput_ratio_mid is null then 'not measured'
            when p.break_even_throughput_ratio < c.throughput_ratio_low then 'cheaper'
            when p.break_even_throughput_ratio > c.throughput_ratio_high then 'dearer'
            else 'overlapping'
        end as verdict,
        cast(p.break_even_throughput_ratio / c.throughput_ratio_high as decimal(18, 6)) as cost_ratio_low,
        cast(p.break_even_throughput_ratio / c.throughput_ratio_mid as decimal(18, 6)) as cost_ratio_mid,
        cast(p.break_even_throughput_ratio / c.throughput_ratio_low as decimal(18, 6)) as cost_ratio_high,
        p.break_even_throughput_ratio as break_even_throughput_ratio,
        null::decimal(18, 9) as required_throughput_ratio,
        null::decimal(24, 2) as cost_usd_per_month,
        null::decimal(24, 2) as saving_usd_per_month_low,
        null::decimal(24, 2) as saving_usd_per_month_high,
        null::decimal(24, 1) as payback_days_low,
        null::decimal(24, 1) as payback_days_high,
        p.usd_per_hour_from as usd_per_hour_from,
        p.usd_per_hour_to as usd_per_hour_to,
        coalesce(p.region, '') as price_region,
        p.price_date as price_date,
        'at the prices of {day}; ' || case
            when p.break_even_throughput_ratio is null then 'no ' || c.price_basis || ' prices of both are known'
            when c.throughput_ratio_mid is null and c.verdict = 'not measured' then c.why
            when c.throughput_ratio_mid is null then 'nobody measured it on both'
            else 'the evidence is that of today'
        end as why
    )
from mart_chip_comparison as c
left join mart_break_even as p
    on c.instance_type_from = p.instance_type_from
    and c.instance_type_to = p.instance_type_to
    and c.price_basis = p.price_basis
    and p.region = coalesce(nullif(c.price_region, ''), 'us-east-1')
    and p.valid_from_date <= date '{day}'
    and p.valid_until_date > date '{day}'
"""


@dataclass(frozen=True)
class Question:
    """What is asked: a workload, and perhaps one price basis, one other type, and the prices of one day."""

    workload: str
    basis: str | None = None
    instance_type: str | None = None
    price_date: date | None = None


def compare(home: Path, question: Question) -> Result:
    """The rows of mart_chip_comparison that answer, the clearest first; UsageError where there are none."""
    workload_id = find_workload(home, question.workload)
    wanted = [f"workload_id = {literal(workload_id)}"]
    wanted += [f"price_basis = {literal(question.basis)}"] if question.basis else []
    wanted += [f"instance_type_to = {literal(question.instance_type)}"] if question.instance_type else []
    rows = AT_DATE.format(day=question.price_date.isoformat()) if question.price_date else "from mart_chip_comparison"
    result = reading.query(home, f"from ({rows}) where {' and '.join(wanted)} {ORDER}")
    if not result.rows and question.instance_type:
        known = reading.query(
            home, f"select distinct instance_type_to from mart_chip_comparison where {wanted[0]} order by all"
        )
        listed = ", ".join(str(row[0]) for row in known.rows)
        raise UsageError(f"{workload_id} is not compared with {question.instance_type!r}; it is with {listed}")
    return result


def find_workload(home: Path, name: str) -> str:
    """The one workload id that is `name` or ends in it; UsageError where there is none, or more than one."""
    rows = reading.query(home, "select distinct workload_id from mart_chip_comparison order by workload_id").rows
    known = [str(row[0]) for row in rows]
    if name in known:
        return name
    found = [each for each in known if each.split("/", 3)[-1] == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{name!r} is the name of {len(found)} workloads; write one of {', '.join(found)}")
    near = get_close_matches(name, [*known, *(each.split("/", 3)[-1] for each in known)], n=3)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "it held no accelerator in the last 30 days, nor was it measured on two types"
    )
    raise UsageError(
        f"nothing is known of a workload {name!r}; {hint} (chipledger benchmark list shows what was measured)"
    )
