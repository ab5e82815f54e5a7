"""Statements as files: a CSV and a printable page for each team, and one of each for all teams together."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.errors import ChipledgerError
from pipeline.statement import Row, Statement
from pipeline.statement_page import all_page, team_page

HEADINGS = (
    "billing_period", "team", "cost_class", "workload_id", "chip", "account_id", "cost_center", "effective_cost_usd",
    "billed_cost_usd", "device_hours", "utilization_ratio", "allocated_unused_cost_usd",
)  # fmt: skip
FORMULA = tuple("=+-@\t\r")  # what a spreadsheet runs instead of showing it


def write_statements(statements: Sequence[Statement], folder: Path, team: str | None = None) -> list[Path]:
    """Write the files of `team`, or of every team and of all together; returns their paths.

    Each file appears whole or not at all. Raises ChipledgerError where the folder refuses.
    """
    period = f"{statements[0].period:%Y-%m}"
    chosen = [one for one in statements if team in (None, one.team)]
    files: dict[str, str] = {}
    if team is None:
        files |= {f"{period}-all.csv": csv_text(statements), f"{period}-all.html": all_page(statements)}
    for one in chosen:
        name = f"{period}-team-{slug(one.team, [other.team for other in statements])}"
        files |= {f"{name}.csv": csv_text([one]), f"{name}.html": team_page(one, statements)}
    return [_write(folder / name, text) for name, text in files.items()]


def slug(team: str, teams: Sequence[str]) -> str:
    """The team's name as part of a file's; names that would meet there carry a mark of their own."""
    plain: Callable[[str], str] = lambda name: re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")  # noqa: E731
    own = plain(team)
    meets = [other for other in teams if plain(other) == own and other != team]
    return own if own and not meets else f"{own or 'team'}-{hashlib.sha256(team.encode()).hexdigest()[:6]}"


def csv_text(statements: Sequence[Statement]) -> str:
    """The rows of the statements; text that a spreadsheet would run as a formula carries a single quote in front."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADINGS)
    for one in statements:
        writer.writerows((f"{one.period:%Y-%m}", _harmless(one.team), *_cells(row)) for row in one.rows)
    return text.getvalue()


def _cells(row: Row) -> list[str]:
    texts = [_harmless(text) for text in (row.cost_class, row.workload_id, row.chip, row.account_id, row.cost_center)]
    numbers = (row.effective_usd, row.billed_usd, row.device_hours, row.utilization_ratio, row.unused_usd)
    return texts + ["" if number is None else f"{number:f}" for number in numbers]


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _write(path: Path, text: str) -> Path:
    fresh = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, "utf-8")
        fresh.replace(path)
    except OSError as error:
        raise ChipledgerError(
            f"could not write {path}: {error.strerror}; choose another folder or free space"
        ) from error
    return path
