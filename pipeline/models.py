"""The models under sql/: what each reads, in which order they build, and the laws they keep."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import duckdb

from pipeline.errors import ModelError
from pipeline.headers import PARAMETER, QUOTED, Header, literal, parse_header, substitute

READS = {
    "seeds": frozenset[str](),
    "staging": frozenset({"raw", "seeds", "staging view"}),
    "intermediate": frozenset({"staging", "staging view", "intermediate", "seeds"}),
    "marts": frozenset({"intermediate", "marts"}),
    "signals": frozenset({"marts", "intermediate"}),
}
PREFIXES = {
    "seeds": ("seed_",),
    "staging": ("stg_",),
    "intermediate": ("int_",),
    "marts": ("dim_", "fct_", "mart_"),
    "signals": ("sig_",),
}
STATE_VIEWS = frozenset({"mart_anomalies", "mart_data_quality", "mart_freshness"})
BILLING_PERIOD = "billing_period"
STATE_VIEW_READS = frozenset({"raw", "seeds"})

_CLOCK = re.compile(
    r"\b(now|today|current_date|current_time|current_timestamp|localtime|localtimestamp|get_current_timestamp"
    r"|transaction_timestamp|random|gen_random_uuid|uuid|uuidv4|uuidv7)\b(?!\s*\.)\s*\(?",
    re.IGNORECASE,
)
_KEYWORD_CLOCKS = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
_SEED_FILE = re.compile(r"\$seeds_dir\s*\|\|\s*'/?([^']+)'")
_FILE_READER = re.compile(r"\b(read_(?:csv|parquet|json|text|blob)\w*)\s*\(", re.IGNORECASE)


def is_date(window: str | None) -> bool:
    """Whether a window column is a UTC date by its name; FOCUS writes names in PascalCase."""
    return window is not None and window.endswith(("_date", "Date"))


@dataclass(frozen=True)
class Model(Header):
    """One file of sql/{seeds,staging,intermediate,marts,signals}: its contract, and what follows from its SELECT.

    `inputs` are the tables it reads; `definition_hash` covers the file and, for a seed, the CSV it loads;
    `is_view` holds for what is never stored: the marts over state tables, and a staging model that names a window but
    takes neither of its bounds, since it only renames and converts, row by row. Such a view may pass on the columns of
    its raw tables under their own contract: `passed_on`; with their grain too (`has_raw_grain`) it has their very rows.
    """

    layer: str = ""
    inputs: frozenset[str] = frozenset()
    definition_hash: str = ""
    is_view: bool = False
    passed_on: Mapping[str, str] = field(default_factory=dict)
    has_raw_grain: bool = False

    @property
    def is_state(self) -> bool:
        """A view of what landing, checks and detection own."""
        return self.is_view and self.window is None

    @property
    def is_daily(self) -> bool:
        """The window column is a UTC date, so that only whole days can be replaced."""
        return is_date(self.window)

    @property
    def period(self) -> str | None:
        """The column that tells the month of a row in a mart without window: the billing period of its money."""
        has_one = self.layer == "marts" and self.window is None and BILLING_PERIOD in self.grain
        return BILLING_PERIOD if has_one and any(column.endswith("_cost_usd") for column in self.columns) else None


@dataclass(frozen=True)
class Models(Mapping[str, Model]):
    """Models by name, inputs before their readers; `raw` holds the contracts of the raw and state tables."""

    by_name: dict[str, Model]
    raw: dict[str, Header]
    sql_dir: Path

    @property
    def seeds_dir(self) -> Path:
        """Where the CSV files of the seeds lie."""
        return self.sql_dir / "seeds"

    def __getitem__(self, name: str) -> Model:
        """The model called `name`."""
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        """Names in build order."""
        return iter(self.by_name)

    def __len__(self) -> int:
        """How many models there are."""
        return len(self.by_name)


def load_models(sql_dir: Path) -> Models:
    """Read every contract under `sql_dir`, derive lineage and order; ModelError names file, line and remedy."""
    raw = {header.name: header for header in map(parse_header, sorted((sql_dir / "raw").glob("*.sql")))}
    found: dict[str, tuple[str, Header]] = {}
    for layer in READS:
        for header in map(parse_header, sorted((sql_dir / layer).glob("*.sql"))):
            if header.name in found or header.name in raw:
                raise ModelError(f"{header.at()}: a second file for {header.name}; rename one")
            found[header.name] = (layer, header)
    layers = dict.fromkeys(raw, "raw") | {name: _read_as(header, layer) for name, (layer, header) in found.items()}
    models = {name: _model(header, layer, layers, raw, sql_dir) for name, (layer, header) in found.items()}
    return Models({name: models[name] for name in _order(models)}, raw, sql_dir)


def _model(header: Header, layer: str, layers: Mapping[str, str], raw: Mapping[str, Header], sql_dir: Path) -> Model:
    from pipeline.lineage import read_tables  # sqlglot takes a quarter of a second to import

    _check_contract(header, layer)
    _check_sql(header, layer)
    inputs = read_tables(header, layers)
    _check_layer_law(header, layer, inputs, layers)
    return Model(
        **{part.name: getattr(header, part.name) for part in fields(Header)},
        layer=layer,
        inputs=inputs,
        definition_hash=_definition_hash(header, sql_dir / "seeds"),
        is_view=header.name in STATE_VIEWS or _is_row_by_row(header, layer),
        passed_on=_passed_on(header, inputs, raw) if _is_row_by_row(header, layer) else {},
        has_raw_grain=_is_row_by_row(header, layer)
        and header.grain in [raw[name].grain for name in inputs & raw.keys()],
    )


def _passed_on(header: Header, inputs: frozenset[str], raw: Mapping[str, Header]) -> dict[str, str]:
    """Columns of the raw tables that a staging view may show without documenting them again."""
    columns = {name: text for table in sorted(inputs & raw.keys()) for name, text in raw[table].columns.items()}
    return {name: text for name, text in columns.items() if name not in header.columns}


def _read_as(header: Header, layer: str) -> str:
    """The layer that a reader sees: a staging model that is never stored is raw rows under our names."""
    return "staging view" if _is_row_by_row(header, layer) else layer


def _is_row_by_row(header: Header, layer: str) -> bool:
    return layer == "staging" and header.window is not None and not PARAMETER.search(QUOTED.sub("", header.sql))


def _check_contract(header: Header, layer: str) -> None:
    missing = [
        word
        for word, given in (("grain", header.grain), ("column", header.columns), ("check", header.checks))
        if not given
    ]
    if missing:
        raise ModelError(f"{header.at()}: the header has no {missing[0]}; a model without {missing[0]} does not build")
    if not header.name.startswith(PREFIXES[layer]):
        raise ModelError(f"{header.at()}: names in {layer} start with {' or '.join(PREFIXES[layer])}")
    for column in (*header.grain, *([header.window] if header.window else [])):
        if column not in header.columns:
            raise ModelError(f"{header.at()}: {column} is part of the grain or the window, but is no documented column")
    if header.window and not (header.window.endswith("_at") or is_date(header.window)):
        raise ModelError(f"{header.at()}: window {header.window} must be a time (_at) or a UTC date (_date)")
    if header.lookback and not header.window:
        raise ModelError(f"{header.at()}: lookback without window; name the window or drop the lookback")


def _check_sql(header: Header, layer: str) -> None:
    bare = QUOTED.sub("", header.sql)
    for word in _CLOCK.finditer(bare):
        if word[1].lower() in _KEYWORD_CLOCKS or word[0].endswith("("):
            line = header.sql[: header.sql.find(word[1])].count("\n") + header.first_sql_line
            raise ModelError(f"{header.at(line)}: {word[1]} gives another answer each run; time comes as $start_at")
    reader = _FILE_READER.search(bare)
    if reader and layer != "seeds":
        raise ModelError(f"{header.at(header.first_sql_line)}: {reader[1]} outside seeds; make the file a seed")
    allowed = {"seeds": {"seeds_dir"}}.get(layer, {"start_at", "end_at"} if header.window else set())
    allowed = {"as_of"} if header.name == "mart_freshness" else allowed
    used = set(PARAMETER.findall(bare))
    if used - allowed:
        raise ModelError(
            f"{header.at(header.first_sql_line)}: ${sorted(used - allowed)[0]} is not given to this model; "
            f"known here: {', '.join(f'${name}' for name in sorted(allowed)) or 'none (it has no window)'}"
        )
    if header.window and not {"start_at", "end_at"} <= used and not _is_row_by_row(header, layer):
        raise ModelError(f"{header.at(header.first_sql_line)}: a windowed model filters by $start_at and $end_at")


def _check_layer_law(header: Header, layer: str, inputs: frozenset[str], layers: Mapping[str, str]) -> None:
    allowed = STATE_VIEW_READS if header.name in STATE_VIEWS else READS[layer]
    for name in sorted(inputs):
        if name not in layers:
            near = get_close_matches(name, layers, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; add its file or correct the name"
            raise ModelError(f"{header.at()}: reads {name}, which no file under sql/ makes{hint}")
        is_state = layers[name] == "raw" and not name.startswith("raw_")
        if layers[name] not in allowed or (is_state and header.name not in STATE_VIEWS):
            raise ModelError(
                f"{header.at()}: {layer} must not read {name} ({layers[name]}); "
                f"it reads {' and '.join(sorted(allowed)) or 'CSV files only'}"
            )


def _definition_hash(header: Header, seeds_dir: Path) -> str:
    # stored keys are DuckDB's own hashes: another engine builds anew
    digest = hashlib.sha256(header.path.read_bytes() + duckdb.__version__.encode())
    for name in _SEED_FILE.findall(header.sql):
        csv = seeds_dir / name
        if not csv.is_file():
            raise ModelError(f"{header.at(header.first_sql_line)}: {name} is not in sql/seeds; add it")
        digest.update(hashlib.sha256(csv.read_bytes()).digest())
    return digest.hexdigest()


def _order(models: Mapping[str, Model]) -> list[str]:
    graph = {name: sorted(model.inputs & models.keys()) for name, model in models.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ModelError(f"models read each other in a circle: {' → '.join(error.args[1])}; break it") from error


def bind(model: Header, *, start_at: datetime, end_at: datetime, seeds_dir: Path, as_of: datetime) -> str:
    """The model's SELECT with its parameters as literals, ready to paste into DuckDB.

    `$start_at`, `$end_at` and `$as_of` become TIMESTAMPTZ in UTC, or DATE where the window is a UTC date;
    `$seeds_dir` becomes text.
    """
    daily = is_date(model.window)
    values = {
        "start_at": date_literal(start_at) if daily else time_literal(start_at),
        "end_at": date_literal(end_at) if daily else time_literal(end_at),
        "as_of": time_literal(as_of),
        "seeds_dir": literal(seeds_dir.as_posix()),
    }
    return substitute(model.sql, values)


def time_literal(moment: datetime) -> str:
    """`moment` as an SQL literal of type TIMESTAMPTZ."""
    return f"timestamptz '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00'"


def date_literal(moment: datetime | date) -> str:
    """The UTC date of `moment` as an SQL literal of type DATE."""
    day = moment.astimezone(UTC).date() if isinstance(moment, datetime) else moment
    return f"date '{day.isoformat()}'"
