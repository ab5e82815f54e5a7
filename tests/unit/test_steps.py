from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import rule_tables, settings, steps
from pipeline.attribution import WorkloadRule
from pipeline.errors import UsageError
from pipeline.landing import LandingResult

SCRAPE = 'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",modelName="NVIDIA L4",Hostname="h"} 7\n'


def drop(folder: Path, name: str = "a-20261101T000000Z.prom") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(SCRAPE, "utf-8")
    return folder


def test_files_in_the_home_s_landing_folder_are_a_source(home: Path) -> None:
    values = settings.load()
    with pytest.raises(UsageError, match="no source is configured"):
        steps.require_sources(values)
    drop(values.place.landing)
    steps.require_sources(values)
    assert steps.ingest_metrics(values, values.clock()).count("landed") == 1


def test_a_second_sweep_lands_nothing(home: Path) -> None:
    values = settings.load(inbox=(str(drop(home.parent / "inbox")),))
    assert steps.ingest_metrics(values, values.clock()).count("landed") == 1
    again = steps.ingest_metrics(values, values.clock())
    assert (again.count("landed"), again.count("repeat")) == (0, 1)


def test_words_of_an_ingest_name_what_was_refused_and_why() -> None:
    ingested = steps.Ingested(
        (
            LandingResult("a", "dcgm", "landed", rows=1234, rejects=2),
            LandingResult("b", "", "refused", reason="cut off", next_step="send it again"),
        )
    )
    assert str(ingested).splitlines() == [
        "1 landed (1,234 rows), 0 known already, 2 lines rejected, 1 refused",
        "  b: cut off; send it again",
    ]


def test_a_source_that_names_itself_is_not_named_twice() -> None:
    lost = LandingResult("s3://b/x", "", "unreachable", reason="s3://b/x cannot be listed: no; check its name")
    assert steps.Ingested((lost,)).refused == [lost]
    assert str(steps.Ingested((lost,))).splitlines() == [
        "0 landed (0 rows), 0 known already, 1 source unreachable",
        "  s3://b/x cannot be listed: no; check its name",
    ]


def test_a_build_where_the_rules_file_is_missing_does_not_take_teams_out_of_all_history(begun_home: Path) -> None:
    values = settings.load()
    with steps.warehouse(values) as conn:
        rule_tables.refuse_lost_rules(conn, values.workloads)  # there never were any
        rule_tables.load_rules(conn, [WorkloadRule(1, pod="^a-", team="search")])
    with pytest.raises(UsageError, match=r"no /.*/workloads\.toml, and this ledger was built with 1 rules.*empty file"):
        steps.build(values, values.clock())
    with steps.warehouse(values) as conn:
        assert conn.execute("select team from raw_workload_rules").fetchall() == [("search",)]
