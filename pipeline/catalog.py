"""The data dictionary, docs/dictionary.md, written from the headers under sql/ and never by hand.

`python -m pipeline.catalog` writes it, `python -m pipeline.catalog --check` fails when it is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from pipeline.errors import ModelError
from pipeline.headers import Header
from pipeline.models import Model, Models, load_models
from pipeline.warehouse import SQL_DIR

DICTIONARY = SQL_DIR.parent / "docs" / "dictionary.md"
LAYERS = {
    "marts": ("Marts", "What analysts read; published by `chipledger publish`, listed by `chipledger tables`."),
    "signals": ("Signals", "What the detectors notice; they become findings, then alerts."),
    "intermediate": (
        "Intermediate",
        "One grain for every chip and every bill line; holdings and money are joined here.",
    ),
    "staging": ("Staging", "Raw rows with our names and units, one row per fact."),
    "seeds": ("Seeds", "Catalogues that come with the code: chips, prices, fields."),
    "raw": ("Raw and state", "What suppliers delivered, as they delivered it, and the pipeline's own bookkeeping."),
}
PUBLIC_LAYER = "marts"


def render(models: Models) -> str:
    """The whole dictionary as Markdown: lineage first, then every table by layer, marts first."""
    parts = [
        "# Data dictionary",
        "Generated from the headers under `sql/` by `make docs`; `make check` fails when it is stale. Do not edit.",
        "Times (`_at`) are UTC, dates (`_date`) are UTC dates, windows are half-open, ratios run from 0 to 1.",
        "## Lineage",
        "An arrow means *is read by*. Derived from the SQL, never typed.",
        _lineage(models),
    ]
    for layer, (title, about) in LAYERS.items():
        headers = _headers(models, layer)
        parts += [f"## {title}", about, *(block for header in headers for block in _table(header))] if headers else []
    return "\n\n".join(parts) + "\n"


def _headers(models: Models, layer: str) -> Sequence[Header]:
    if layer == "raw":
        return sorted(models.raw.values(), key=lambda header: header.name)
    return sorted((model for model in models.values() if model.layer == layer), key=lambda model: model.name)


def _lineage(models: Models) -> str:
    """A mermaid flowchart, one box per layer, arrows from input to reader."""
    lines = ["```mermaid", "flowchart LR"]
    for layer in reversed(LAYERS):
        names = [header.name for header in _headers(models, layer)]
        if layer == "raw":
            read = {name for model in models.values() for name in model.inputs}
            names = [name for name in names if name in read]
        if names:
            lines += [f"  subgraph {layer}", *(f"    {name}" for name in names), "  end"]
    edges = sorted((source, model.name) for model in models.values() for source in model.inputs)
    return "\n".join([*lines, *(f"  {source} --> {name}" for source, name in edges), "```"])


def _table(header: Header) -> Iterator[str]:
    yield f"### {header.name}"
    yield f"{_capital(header.purpose)}"
    yield "\n".join(f"- {fact}" for fact in _facts(header))
    if header.columns:
        yield "\n".join(["| column | meaning |", "|---|---|", *_rows(header.columns.items())])
    if header.checks:
        checks = (
            (f"{check.severity}: {_code(check.expression or check.query or '')}", check.why) for check in header.checks
        )
        yield "\n".join(["| check | why |", "|---|---|", *(f"| {what} | {_cell(why)} |" for what, why in checks)])


def _facts(header: Header) -> Iterator[str]:
    yield f"grain: {', '.join(f'`{column}`' for column in header.grain) or 'none'}"
    is_view = isinstance(header, Model) and header.is_view
    if header.window and is_view:
        yield f"a view, row by row; its time is `{header.window}`"
    elif header.window:
        lookback = f", recomputed from {_span(header.lookback)} earlier" if header.lookback else ""
        yield f"replaced by windows of `{header.window}`{lookback}"
    if isinstance(header, Model):
        if header.period:
            yield f"computed whole; a closed month keeps its rows by `{header.period}`"
        if header.inputs:
            yield f"reads {', '.join(f'[{name}](#{name})' for name in sorted(header.inputs))}"
        if header.is_state:
            yield "a view of what the pipeline itself keeps; published as a table"


def _span(duration: timedelta) -> str:
    for unit in (timedelta(days=1), timedelta(hours=1)):
        if duration % unit == timedelta(0):
            name = "day" if unit.days else "hour"
            return f"{duration // unit} {name}{'s' if duration // unit > 1 else ''}"
    return f"{duration // timedelta(minutes=1)} minutes"


def _rows(columns: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in columns:
        yield f"| `{name}` | {_cell(text)} |"


def _cell(text: str) -> str:
    """`text` inside a Markdown table: bars and angle brackets would end the cell or vanish."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def main(arguments: Sequence[str], sql_dir: Path = SQL_DIR, target: Path = DICTIONARY) -> int:
    """Write the dictionary, or with `--check` compare it; the exit code is 1 when it is stale or a header is broken."""
    try:
        fresh = render(load_models(sql_dir))
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    current = target.read_text("utf-8") if target.exists() else ""
    if "--check" in arguments:
        if fresh != current:
            print(f"{target.name} is stale: run make docs and commit it", file=sys.stderr)
        return int(fresh != current)
    if fresh != current:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(fresh, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
