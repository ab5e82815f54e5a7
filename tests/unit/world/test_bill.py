from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.world import World, WorldOptions, simulate, usd
from pipeline.world.cur import deliveries
from pipeline.world.lines import SP_COVERED, USAGE
from pipeline.world.options import END, SECONDS_PER_DAY, instant


def _manifests(written: Path) -> list[tuple[Path, dict[str, Any]]]:
    paths = sorted((written / "landing" / "cur").rglob("*-Manifest.json"))
    return [(path, json.loads(path.read_text())) for path in paths]


def _date(at: int) -> str:
    return instant(at).date().isoformat()


def _table(written: Path, manifest: dict[str, Any]) -> pa.Table:
    """The chunks that a manifest lists, found by their place under the landing folder."""
    files = [file.split("/", 3)[3] for file in manifest["dataFiles"]]
    return pa.concat_tables([pq.read_table(written / "landing" / file) for file in files])


def _sums(table: pa.Table) -> dict[tuple[str, str, str], Decimal]:
    sums: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in table.to_pylist():
        start: datetime = row["line_item_usage_start_date"]
        key = (start.date().isoformat(), row["line_item_usage_account_id"], row["line_item_line_item_type"])
        sums[key] += Decimal(repr(row["line_item_unblended_cost"]))
    return sums


def test_a_period_is_delivered_early_and_again_when_all_its_days_are_settled(written: Path) -> None:
    manifests = _manifests(written)
    assert len(manifests) == 2
    early, final = manifests
    assert early[1]["executionId"] in str(early[0])
    assert datetime.fromisoformat(final[1]["createdAt"]).timestamp() >= END + 2 * SECONDS_PER_DAY
    assert _table(written, early[1]).num_rows < _table(written, final[1]).num_rows
    known, settled = _sums(_table(written, early[1])), _sums(_table(written, final[1]))
    assert any(known[key] != settled[key] for key in known)


def test_the_final_export_is_the_bill_to_the_last_decimal(written: Path, world: World) -> None:
    expected: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for line in world.lines:
        key = (_date(line.start), line.account_id, line.record_type)
        expected[key] += usd(line.unblended)
    assert _sums(_table(written, _manifests(written)[-1][1])) == expected


def test_a_world_over_two_months_delivers_each_month_apart() -> None:
    options = WorldOptions(1, days=35, telemetry_days=0)
    found = deliveries(options, simulate(options).lines)
    assert [delivery.period for delivery in found if delivery.is_final] == ["2026-10", "2026-11"]
    assert [delivery.period for delivery in found] == ["2026-10", "2026-10", "2026-11", "2026-10", "2026-11"]
    assert len({delivery.execution_id for delivery in found}) == 5


def test_a_month_that_is_over_is_restated_before_its_invoice() -> None:
    options = WorldOptions(1, days=35, telemetry_days=0)
    _, unsettled, final = [one for one in deliveries(options, simulate(options).lines) if one.period == "2026-10"]
    assert instant(unsettled.delivered_at).date().isoformat() == "2026-11-03"
    assert {line.record_type for line in final.lines} - {line.record_type for line in unsettled.lines} == {
        "Credit",
        "Refund",
    }
    assert sum(line.unblended for line in unsettled.lines) > sum(line.unblended for line in final.lines)


def test_a_partly_covered_instance_hour_has_two_lines_that_make_one_hour(world: World) -> None:
    node = world.fleet.with_role("p5-mixed")[0]
    hour = [line for line in world.lines if line.resource_id == node.instance_id and line.start == world.options.start]
    assert sorted(line.record_type for line in hour) == [SP_COVERED, USAGE]
    assert sum((line.amount for line in hour), Decimal(0)) == 1


def test_private_prices_have_no_list_price_and_say_so(world: World) -> None:
    private = [line for line in world.lines if line.instance_type.startswith("trn2.")]
    assert private
    assert all(line.list_cost is None and "private" in line.description for line in private)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_kind_of_line_is_there(seed: int) -> None:
    lines = simulate(WorldOptions(seed, days=2, telemetry_days=0)).lines
    assert {line.record_type for line in lines} == {
        "Usage", "SavingsPlanCoveredUsage", "SavingsPlanNegation", "SavingsPlanRecurringFee", "Fee", "Tax", "Credit",
        "Refund",
    }  # fmt: skip
    kinds = " ".join({line.usage_type for line in lines})
    for part in ("SpotUsage:", "UnusedBox:", "EBS:VolumeUsage", "DataTransfer", "NatGateway", "EKS-Hours", "m7i"):
        assert part in kinds


def test_cost_explorer_pages_sum_to_the_bill_in_both_bases(written: Path, world: World) -> None:
    expected: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for line in world.lines:
        sums = expected[(_date(line.start), line.account_id, line.record_type)]
        sums[0] += usd(line.unblended)
        sums[1] += usd(line.effective)
    found: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for path in sorted((written / "landing" / "cost_explorer").glob("*.json")):
        page = json.loads(path.read_text())
        (account,) = page["Request"]["Filter"]["Dimensions"]["Values"]
        for result in page["ResultsByTime"]:
            assert result["Total"] == {}
            for group in result["Groups"]:
                sums = found[(result["TimePeriod"]["Start"], account, group["Keys"][0])]
                sums[0] += Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
                sums[1] += Decimal(group["Metrics"]["AmortizedCost"]["Amount"])
    assert found == expected


def test_a_page_ends_within_a_day_and_its_token_asks_for_the_next(written: Path) -> None:
    pages = [json.loads(path.read_text()) for path in sorted((written / "landing" / "cost_explorer").glob("*.json"))]
    continued = [page for page in pages if "NextPageToken" in page]
    assert continued
    asked = {page["Request"].get("NextPageToken"): page for page in pages}
    for page in continued:
        following = asked[page["NextPageToken"]]
        assert following["ResultsByTime"][0]["TimePeriod"] == page["ResultsByTime"][-1]["TimePeriod"]
