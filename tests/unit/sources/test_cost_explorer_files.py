"""Cost Explorer pages: exact amounts, one account, and no page that is only a part of the bill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.cost_explorer_files import read, read_page

MODIFIED = datetime(2026, 10, 5, tzinfo=UTC)


def _read(path: Path, page: Mapping[str, Any]) -> ParsedDelivery:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(page))
    name = path.relative_to(path.parents[1]).as_posix()
    return read(SourceObject(name, path, MODIFIED), IngestOptions(), Seeds(path.parent))


def _rows(page: Mapping[str, Any], name: str = "x") -> list[dict[str, Any]]:
    return [row for _, rows in read_page(name, page) for row in rows.to_pylist()]


def _refusal(page: Mapping[str, Any]) -> str:
    with pytest.raises(RefusedDelivery) as refused:
        _rows(page)
    return str(refused.value)


def _grouped(page: dict[str, Any], *keys: str, kind: str = "DIMENSION") -> dict[str, Any]:
    return {**page, "GroupDefinitions": [{"Type": kind, "Key": key} for key in keys]}


def test_a_group_keeps_its_exact_amounts(one_cost_page: dict[str, Any]) -> None:
    assert _rows(one_cost_page) == [
        {
            "group_number": 1,
            "usage_date": date(2026, 10, 1),
            "end_date": date(2026, 10, 2),
            "account_id": "444455556666",
            "record_type": "Usage",
            "usage_type": "USE1-BoxUsage:p5.48xlarge",
            "instance_type": "",
            "service": "",
            "unblended_cost": Decimal("1320.9600000001"),
            "blended_cost": None,
            "amortized_cost": Decimal("1320.9600000000"),
            "net_amortized_cost": None,
            "usage_quantity": Decimal("24.0000000000"),
            "currency": "USD",
            "estimated": True,
        }
    ]


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=10))
def test_any_amount_of_ten_decimals_survives_unchanged(amount: Decimal) -> None:
    metrics = {name: {"Amount": f"{amount:f}", "Unit": "USD"} for name in ("UnblendedCost", "AmortizedCost")}
    result = {
        "TimePeriod": {"Start": "2026-10-01", "End": "2026-10-02"},
        "Groups": [{"Keys": ["Usage"], "Metrics": metrics}],
    }
    page = _grouped({"ResultsByTime": [result]}, "RECORD_TYPE")
    assert _rows(page, "444455556666/x")[0]["unblended_cost"] == amount


def test_the_account_comes_from_a_group_key_first(one_cost_page: dict[str, Any]) -> None:
    page = _grouped(one_cost_page, "LINKED_ACCOUNT", "USAGE_TYPE")
    page["ResultsByTime"][0]["Groups"][0]["Keys"][0] = "999900001111"
    assert _rows(page, "222233334444/x")[0]["account_id"] == "999900001111"


def test_the_account_comes_from_the_filter_then_from_the_path(one_cost_page: dict[str, Any]) -> None:
    assert _rows(one_cost_page, "222233334444/x")[0]["account_id"] == "444455556666"
    del one_cost_page["Request"]
    assert _rows(one_cost_page, "222233334444/x")[0]["account_id"] == "222233334444"
    assert "put the 12-digit account in the path" in _refusal(one_cost_page)


def test_a_filtered_record_type_is_that_of_every_group(one_cost_page: dict[str, Any]) -> None:
    account = one_cost_page["Request"]["Filter"]
    only_tax = {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Tax"]}}
    page = _grouped({**one_cost_page, "Request": {"Filter": {"And": [account, only_tax]}}}, "SERVICE", "USAGE_TYPE")
    row = _rows(page)[0]
    assert (row["record_type"], row["service"], row["account_id"]) == ("Tax", "Usage", "444455556666")


def test_the_request_tells_the_grouping_when_the_page_does_not(one_cost_page: dict[str, Any]) -> None:
    one_cost_page["Request"]["GroupBy"] = one_cost_page.pop("GroupDefinitions")
    assert _rows(one_cost_page)[0]["record_type"] == "Usage"


def _period(page: dict[str, Any], start: str, end: str) -> dict[str, Any]:
    return {**page, "ResultsByTime": [{**page["ResultsByTime"][0], "TimePeriod": {"Start": start, "End": end}}]}


def test_pages_that_are_no_plain_bill_are_refused_with_the_next_step(one_cost_page: dict[str, Any]) -> None:
    page = one_cost_page
    group = page["ResultsByTime"][0]["Groups"][0]
    assert "grouped by TAG team" in _refusal(_grouped(page, "team", kind="TAG"))
    assert "grouped by DIMENSION REGION" in _refusal(_grouped(page, "REGION"))
    assert "holds totals only" in _refusal(_grouped(page))
    assert "2 keys where the page is grouped by 1" in _refusal(_grouped(page, "USAGE_TYPE"))
    assert "filtered by SERVICE" in _refusal(
        {**page, "Request": {"Filter": {"Dimensions": {"Key": "SERVICE", "Values": ["EC2"]}}}}
    )
    assert "filtered by Not" in _refusal({**page, "Request": {"Filter": {"Not": {}}}})
    assert "is not one UTC day" in _refusal(_period(page, "2026-10-01", "2026-11-01"))
    assert "is not one UTC day" in _refusal(_period(page, "2026-10-01T00:00:00Z", "2026-10-01T01:00:00Z"))
    group["Metrics"]["UnblendedCost"]["Unit"] = "EUR"
    assert "currency EUR" in _refusal(page)
    del group["Metrics"]["AmortizedCost"]
    assert "lacks the metric AmortizedCost" in _refusal(page)


def test_the_pull_time_is_in_the_headers_the_name_or_the_file(tmp_path: Path, one_cost_page: dict[str, Any]) -> None:
    headers = {"HTTPHeaders": {"date": "Sat, 03 Oct 2026 05:06:07 GMT"}}
    told = _read(tmp_path / "ce/a.json", {**one_cost_page, "ResponseMetadata": headers}).info
    stamped = _read(tmp_path / "ce/a-20261002T000000Z.json", one_cost_page).info
    guessed = _read(tmp_path / "ce/a.json", one_cost_page).info
    assert (told.observed_at, told.time_guessed) == (datetime(2026, 10, 3, 5, 6, 7, tzinfo=UTC), False)
    assert (stamped.delivered_at, stamped.time_guessed) == (datetime(2026, 10, 2, tzinfo=UTC), False)
    assert (guessed.delivered_at, guessed.time_guessed) == (MODIFIED, True)


def test_a_page_without_results_lands_without_rows(tmp_path: Path, one_cost_page: dict[str, Any]) -> None:
    assert list(_read(tmp_path / "ce/a.json", {**one_cost_page, "ResultsByTime": []}).batches) == []


def test_a_cut_page_is_refused(tmp_path: Path, one_cost_page: dict[str, Any]) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(one_cost_page)[:-30])
    with pytest.raises(RefusedDelivery, match="ends early"):
        read(SourceObject("a.json", path, MODIFIED), IngestOptions(), Seeds(tmp_path))
