"""`chipledger ask`: the named questions of sql/questions, answered from the published snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli_output import say, show
from pipeline.cli_read import AsJson, AsOf

if TYPE_CHECKING:
    from pipeline.questions import Question


def ask(
    asked: Annotated[str | None, typer.Argument(metavar="[QUESTION]", help="Name or number; none lists all.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="A parameter as name=value; repeat it for more.")] = None,
    as_of: AsOf = None,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the statement, ready to paste, instead of running it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the named questions, or answer one from the published snapshot with what its columns mean and its limits."""
    from pipeline import questions, reading, settings

    known = questions.load()
    if asked is None:
        listed = [(q.number, q.name, q.words, ", ".join(q.params)) for q in known]
        show(("number", "name", "question", "parameters"), listed, as_json=as_json)
        return
    question = questions.find(known, asked)
    statement = question.bound(_values(param or []))
    if sql:
        say(statement)
        return
    moment = settings.parse_time(as_of, "--as-of") if as_of else None
    result = reading.query(settings.load().place.root, statement, as_of=moment)
    show(result.columns, result.rows, as_json=as_json)
    if not as_json:
        _show_words(question)


def _values(given: list[str]) -> dict[str, str]:
    from pipeline.errors import UsageError

    wrong = [text for text in given if "=" not in text]
    if wrong:
        raise UsageError(f"--param {wrong[0]}: write it as name=value")
    return {name.strip(): value for name, _, value in (text.partition("=") for text in given)}


def _show_words(question: Question) -> None:
    say(f"\n{question.words}")
    for name, text in question.columns.items():
        say(f"  {name}: {text}")
    for text in question.limits:
        say(f"  Limit: {text}")
    for name, (default, text) in question.params.items():
        say(f"  --param {name}=…: {text}; default {default}")
