"""The statement's figures sum to the bill, and neither a spreadsheet nor a browser runs what a name says."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.errors import ChipledgerError
from pipeline.statement import Row, Statement, round_statements
from pipeline.statement_files import csv_text, slug, write_statements
from pipeline.statement_page import all_page, team_page

AT = datetime(2026, 11, 18, tzinfo=UTC)


def row(
    cost_class: str, effective: str, workload: str = "", hours: str | None = None, unused: str | None = None
) -> Row:
    cost, known = Decimal(effective), hours is not None
    return Row(
        *(cost_class, workload, "H100", "" if workload else "111111111111", "", cost, cost),
        *(Decimal(hours) if hours else None, Decimal("0.5") if known else None, Decimal(unused) if unused else None),
    )


def statement(team: str, *rows: Row) -> Statement:
    return Statement(date(2026, 11, 1), team, AT, rows)


def month() -> list[Statement]:
    search = [row("workload", "1.3333", f"p/ml/-/w{number}", "0.26", "0.444") for number in range(3)]
    return [
        statement("search", *search, row("workload", "2.005", "=cmd|'/c calc'!A0")),
        statement("<b>ops</b>", row("shared", "0.005"), row("adjustment", "-7.777")),
        statement("no team", row("idle.unallocated", "3.3333"), row("unattributed", "0.0001")),
    ]


def test_rows_sum_to_their_team_and_teams_to_the_rounded_bill() -> None:
    rounded = round_statements(month())
    exact = sum((one.effective_usd for one in month()), Decimal(0))
    assert sum((one.effective_usd for one in rounded), Decimal(0)) == exact.quantize(Decimal("0.01"))
    assert all(figure.effective_usd.as_tuple().exponent == -2 for one in rounded for figure in one.rows)


def test_what_is_unknown_stays_unknown() -> None:
    last = round_statements(month())[0].rows[-1]
    assert (last.device_hours, last.utilization_ratio, last.unused_usd) == (None, None, None)


def test_a_spreadsheet_runs_no_name_and_money_keeps_its_sign() -> None:
    cells = list(csv.DictReader(io.StringIO(csv_text(round_statements(month())))))
    assert cells[3]["workload_id"] == "'=cmd|'/c calc'!A0"
    assert cells[5]["effective_cost_usd"] == "-7.78"
    assert not [text for line in cells for name, text in line.items() if "usd" not in name and re.match("[=+@-]", text)]


class Tables(HTMLParser):
    """The tables of a page: per table its cell texts, row by row."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_data(self, data: str) -> None:
        if self.tables and self.tables[-1] and self.tables[-1][-1]:
            self.tables[-1][-1][-1] += data


def money(text: str) -> Decimal | None:
    plain = text.strip().replace(",", "").replace("−", "-")
    return Decimal(plain) if re.fullmatch(r"-?\d+\.\d\d", plain) else None


@pytest.mark.parametrize("team", [None, 0, 1, 2])
def test_every_money_column_of_a_page_sums_to_its_foot(team: int | None) -> None:
    statements = round_statements(month())
    page = all_page(statements) if team is None else team_page(statements[team], statements)
    tables = Tables(page).tables
    assert tables
    for _, *lines, foot in tables:
        for column, shown in enumerate(foot):
            parts = [money(line[column]) for line in lines]
            if (total := money(shown)) is not None:
                assert sum((part for part in parts if part is not None), Decimal(0)) == total


def test_a_page_shows_names_and_runs_none() -> None:
    page = all_page(round_statements(month()))
    assert "&lt;b&gt;ops&lt;/b&gt;" in page
    assert "<b>ops" not in page
    assert "<script" not in page
    assert "http" not in page


def test_teams_whose_names_meet_have_files_of_their_own(tmp_path: Path) -> None:
    assert slug("ML Ops", ["ML Ops", "search"]) == "ml-ops"
    assert slug("ML Ops", ["ML Ops", "ml-ops"]) != slug("ml-ops", ["ML Ops", "ml-ops"])
    assert slug("../..", ["../.."]).startswith("team-")
    paths = write_statements(round_statements(month()), tmp_path / "new")
    assert len({path.name for path in paths}) == len(paths) == 8
    assert all(path.parent == tmp_path / "new" and path.stat().st_size for path in paths)


def test_a_folder_that_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ChipledgerError, match=r"could not write .*file"):
        write_statements(month(), tmp_path / "file")
