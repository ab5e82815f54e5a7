"""Each question of sql/questions gives, for hand-made mart rows, exactly the answer worked out by hand.

A case is `questions/<name>/<case>/`: one CSV per mart, `expect.csv`, and `params.toml` where a default does not hold.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlglot
from sqlglot import exp

from pipeline.errors import ModelError, UsageError
from pipeline.questions import Question, find, load

if TYPE_CHECKING:
    from tests.sql.conftest import Bench

HERE = Path(__file__).parent / "questions"
CASES = sorted(path.parent for path in HERE.glob("*/*/expect.csv"))
QUESTIONS = load()
PUBLISHED = ("mart_", "fct_", "dim_")


def params(case: Path) -> dict[str, str]:
    path = case / "params.toml"
    return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_the_question_gives_the_answer_worked_out_by_hand(bench: Bench, case: Path) -> None:
    actual, expected = bench.ask(find(QUESTIONS, case.parent.name).bound(params(case)), case)
    assert actual == expected


def test_every_question_has_a_case_and_every_case_a_question() -> None:
    assert {case.parent.name for case in CASES} == {question.name for question in QUESTIONS}
    assert {path for path in HERE.glob("*/*") if path.is_dir()} == set(CASES), "a case folder needs an expect.csv"


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_on_empty_marts_a_question_runs_and_has_the_columns_it_explains(bench: Bench, question: Question) -> None:
    answer = bench.conn.sql(question.bound({}))
    types = dict(zip(answer.columns, map(str, answer.types), strict=True))
    assert set(question.columns) <= set(types)
    assert not [name for name in types if name.endswith("_usd") and not types[name].startswith("DECIMAL")]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_a_question_reads_published_marts_only(question: Question) -> None:
    statement = sqlglot.parse_one(question.bound({}), dialect="duckdb")
    names = {table.name for table in statement.find_all(exp.Table)} - {cte.alias for cte in statement.find_all(exp.CTE)}
    assert names
    assert all(name.startswith(PUBLISHED) for name in names)


def test_an_unknown_question_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean idle_cost"):
        find(QUESTIONS, "idle_costs")
    with pytest.raises(UsageError, match="chipledger ask lists"):
        find(QUESTIONS, "%%%")


def test_an_unknown_parameter_is_told_those_there_are() -> None:
    with pytest.raises(UsageError, match="no parameter day; it has from_date, to_date"):
        find(QUESTIONS, "4").bound({"day": "2026-01-01"})


def test_a_value_is_text_whatever_it_holds() -> None:
    assert "'x'') or (''1'" in find(QUESTIONS, "01").bound({"team": "x') or ('1"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("-- other: why?\nselect 1", "first line"),
        ("-- toy: why\nselect 1", "first line"),
        ("-- toy: why?\n-- grain: x\nselect 1", "toy.sql:2"),
        ("-- toy: why?\n-- param: x | no default\nselect $x", "name = default"),
        ("-- toy: why?\nselect $x", "x must stand both"),
        ("-- toy: why?\n-- param: x = 1 | one\nselect '$x'", "x must stand both"),
    ],
)
def test_a_file_that_is_not_as_the_others_is_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "01_toy.sql").write_text(text, "utf-8")
    with pytest.raises(ModelError, match=told):
        load(tmp_path)


def test_a_number_stands_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"01_{name}.sql").write_text(f"-- {name}: why?\nselect 1", "utf-8")
    with pytest.raises(ModelError, match="01 stands twice"):
        load(tmp_path)
