"""Cost Explorer: GetCostAndUsage response pages of the same bill, per account, by record type and usage type.

Amounts are decimal strings, `Total` is empty under a grouping, and a page may end in the middle of a day. The key
"Request" holds the request body that a page answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from pipeline.world.fleet import Fleet
from pipeline.world.lines import Line, usd
from pipeline.world.options import END, SECONDS_PER_DAY, SECONDS_PER_HOUR, WorldOptions, day_of, instant, stamp
from pipeline.world.seeds import hexadecimal

# When the pages were pulled: every day of the world is settled by then.
PULLED_AT = END + 2 * SECONDS_PER_DAY + 7 * SECONDS_PER_HOUR

# Groups per page. AWS names no fixed size; small enough here that larger accounts need several pages.
PAGE_GROUPS = 60
NO_USAGE_TYPE = "NoUsageType"
GROUP_BY = ({"Type": "DIMENSION", "Key": "RECORD_TYPE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"})
METRICS = ("AmortizedCost", "UnblendedCost", "UsageQuantity")

Group = tuple[int, dict[str, Any]]


def cost_explorer_files(options: WorldOptions, fleet: Fleet, lines: Sequence[Line]) -> Iterator[tuple[str, Any]]:
    """(name, page) of every response page, account by account."""
    for account in fleet.accounts.values():
        groups = grouped([line for line in lines if line.account_id == account.account_id])
        for number, page in enumerate(pages(account.account_id, options.start, END, groups), start=1):
            yield f"{account.account_id}-{stamp(PULLED_AT)}-page{number}.json", page


def grouped(lines: Sequence[Line]) -> list[Group]:
    """(day, group) in the order of day, record type and usage type; sums are exact."""
    sums: dict[tuple[int, str, str], list[Any]] = defaultdict(lambda: [0, 0, Decimal(0)])
    for line in lines:
        total = sums[(day_of(line.start), line.record_type, line.usage_type or NO_USAGE_TYPE)]
        total[0] += line.effective
        total[1] += line.unblended
        total[2] += line.amount
    return [
        (
            day,
            {
                "Keys": [record_type, usage_type],
                "Metrics": {
                    "AmortizedCost": {"Amount": _text(usd(effective)), "Unit": "USD"},
                    "UnblendedCost": {"Amount": _text(usd(billed)), "Unit": "USD"},
                    "UsageQuantity": {"Amount": _text(amount), "Unit": "N/A"},
                },
            },
        )
        for (day, record_type, usage_type), (effective, billed, amount) in sorted(sums.items())
    ]


def _text(amount: Decimal) -> str:
    """A plain decimal string without trailing zeros, as the service prints it."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def pages(account_id: str, start: int, end: int, groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    """Response pages of one account's request over [start, end); every day appears, with or without groups."""
    request: dict[str, Any] = {
        "TimePeriod": {"Start": _day(start), "End": _day(end)},
        "Granularity": "DAILY",
        "Metrics": list(METRICS),
        "GroupBy": list(GROUP_BY),
        "Filter": {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [account_id]}},
    }
    count = max(-(-len(groups) // PAGE_GROUPS), 1)
    for number in range(count):
        part = groups[number * PAGE_GROUPS : (number + 1) * PAGE_GROUPS]
        first = day_of(part[0][0]) if number else start
        last = part[-1][0] if number < count - 1 else end - SECONDS_PER_DAY
        page: dict[str, Any] = {
            "GroupDefinitions": list(GROUP_BY),
            "ResultsByTime": [_result(day, part) for day in range(first, last + 1, SECONDS_PER_DAY)],
            "DimensionValueAttributes": [],
        }
        if number < count - 1:
            page["NextPageToken"] = _token(account_id, number + 1)
        asked = request | ({"NextPageToken": _token(account_id, number)} if number else {})
        yield {"Request": asked, **page}


def _result(day: int, groups: Sequence[Group]) -> dict[str, Any]:
    return {
        "TimePeriod": {"Start": _day(day), "End": _day(day + SECONDS_PER_DAY)},
        "Total": {},
        "Groups": [group for at, group in groups if at == day],
        "Estimated": instant(day).month == instant(END).month,
    }


def _day(at: int) -> str:
    return f"{instant(at):%Y-%m-%d}"


def _token(account_id: str, page: int) -> str:
    return hexadecimal(48, "page", account_id, page)
