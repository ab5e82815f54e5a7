"""Split cost allocation rows of a CUR 2.0 export: AWS's own split of an instance-hour among pods, beside its line.

The money stands on the instance's line; the split rows repeat it and are hints, kept in a raw table of their own.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.sources.base import Reject
from pipeline.sources.bill_columns import (
    amounts,
    bad_marks,
    canonical_json,
    constant,
    is_blank,
    pairs_text,
    texts,
    times,
    without_bad_lines,
)
from pipeline.sources.cur_columns import COST, TAGS, TEXTS, TIMES

PARENT = "split_line_item_parent_resource_id"
SPLIT_AMOUNTS = {
    "split_usage": "split_line_item_split_usage",
    "actual_usage": "split_line_item_actual_usage",
    "reserved_usage": "split_line_item_reserved_usage",
    "split_usage_ratio": "split_line_item_split_usage_ratio",
    "split_cost": "split_line_item_split_cost",
    "unused_cost": "split_line_item_unused_cost",
    "net_split_cost": "split_line_item_net_split_cost",
    "net_unused_cost": "split_line_item_net_unused_cost",
}
SPLIT_TEXTS = ("account_id", "usage_type", "operation", "resource_id")
SPLIT_COLUMNS = (PARENT, *SPLIT_AMOUNTS.values())


def is_split(lines: pa.RecordBatch) -> pa.Array:
    """True for split rows: they name the resource whose line they divide; without that column, they hold a split.

    Other rows may carry zeros there, for a column of doubles need not be NULL.
    """
    if PARENT in lines.schema.names:
        return pc.invert(is_blank(lines.column(PARENT)))
    found = pa.repeat(False, len(lines))
    for column in SPLIT_AMOUNTS.values():
        if column in lines.schema.names:
            values = pc.cast(lines.column(column), pa.string()).fill_null("")
            found = pc.or_(found, pc.invert(pc.match_substring_regex(values, "^[-+0.eE]*$")))
    return found


def split_rows(
    lines: pa.RecordBatch, numbers: pa.Array, name: str, period: date, rejects: list[Reject]
) -> pa.RecordBatch:
    """Split rows as raw_cur_splits rows without delivery_id; one with an unreadable time or amount is rejected."""
    marks = bad_marks(lines, list(TIMES.values()), [COST, *SPLIT_AMOUNTS.values()], ())
    lines, numbers = without_bad_lines(lines, numbers, marks, name, rejects)
    columns: dict[str, pa.Array] = {"line_number": numbers}
    columns["billing_period"] = constant(period, len(lines), pa.date32())
    columns |= {to: times(lines.column(of)) for to, of in TIMES.items()}
    columns |= {to: texts(lines, TEXTS[to]) for to in SPLIT_TEXTS}
    columns["parent_resource_id"] = texts(lines, PARENT)
    columns |= {to: amounts(lines, of, never_null=False) for to, of in SPLIT_AMOUNTS.items()}
    columns["unblended_cost"] = amounts(lines, COST, never_null=True)
    columns["resource_tags"] = canonical_json(pairs_text(lines, TAGS))
    return pa.RecordBatch.from_pydict(columns)
