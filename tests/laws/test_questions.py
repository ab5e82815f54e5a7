"""The 25 questions that this ledger answers all stand in sql/questions: one file, one header, one worked case each."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.questions import Question, load

CASES = Path(__file__).parent.parent / "sql" / "questions"
QUESTIONS = load()


def test_the_25_questions_are_there_and_no_other() -> None:
    assert [question.number for question in QUESTIONS] == list(range(1, 26))


def test_a_question_s_name_stands_once() -> None:
    assert len({question.name for question in QUESTIONS}) == 25


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_a_question_has_a_header_and_a_case_worked_out_by_hand(question: Question) -> None:
    assert question.words.endswith("?")
    assert question.columns
    assert question.limits, "a question says what it cannot tell"
    cases = [path.parent for path in (CASES / question.name).glob("*/expect.csv")]
    assert cases
    assert all((case / "claim.md").read_text("utf-8").strip() for case in cases)
