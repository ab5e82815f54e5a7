"""AWS price lists: the same rates from JSON and from CSV, streamed, and nothing of a damaged file."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.damage import refuse_damage
from pipeline.sources.detect import detect
from pipeline.sources.json_stream import members
from pipeline.sources.price_list import read
from pipeline.warehouse import SQL_DIR
from tests.support.offers import as_csv, offer, product, term

PRODUCTS = [
    product("P5", "p5.48xlarge"),
    product("TRN2", "trn2.48xlarge", gpu="NA", marketoption="CapacityBlock"),
    product("NEW", "p99.48xlarge"),
    product("WIN", "p5.48xlarge", operatingSystem="Windows"),
    product("DED", "p5.48xlarge", tenancy="Dedicated"),
    product("SQL", "p5.48xlarge", preInstalledSw="SQL Ent"),
    product("BOX", "p5.48xlarge", capacitystatus="UnusedCapacityReservation"),
    product("LOC", "g5.2xlarge", locationType="AWS Local Zone"),
    product("CPU", "c5.large", gpu="NA"),
]
RESERVED = term(
    "P5", "4NA7Y494T4", ("Hrs", "0"), ("Quantity", "482150"), lease="1yr", option="All Upfront", kind="standard"
)
TERMS = {
    "OnDemand": [term(one["sku"], "JRTCKXETXF", ("Hrs", "55.0400000000")) for one in PRODUCTS],
    "Reserved": [RESERVED],
}
OFFER = offer(PRODUCTS, TERMS)
SEEDS = Seeds(SQL_DIR / "seeds")


def _read(path: Path, content: str | bytes) -> ParsedDelivery:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    obj = SourceObject(path.name, path, datetime(2026, 12, 1, tzinfo=UTC))
    assert detect(obj) == "price_list"
    return read(obj, IngestOptions(), SEEDS)


def _rows(delivery: ParsedDelivery) -> list[dict[str, Any]]:
    with refuse_damage("x"):
        return [row for _, rows in delivery.batches for row in rows.to_pylist()]


@pytest.mark.parametrize(
    "write", [json.dumps, lambda it: json.dumps(it, indent=2), as_csv], ids=["dense", "json", "csv"]
)
def test_linux_prices_of_accelerated_types_are_kept(tmp_path: Path, write: Any) -> None:
    delivery = _read(tmp_path / "index", write(OFFER))
    rows = _rows(delivery)
    assert [(row["rate_code"], row["instance_type"], row["price_usd"]) for row in rows] == [
        ("P5.JRTCKXETXF.0", "p5.48xlarge", Decimal("55.04")),
        ("TRN2.JRTCKXETXF.0", "trn2.48xlarge", Decimal("55.04")),
        ("NEW.JRTCKXETXF.0", "p99.48xlarge", Decimal("55.04")),
        ("P5.4NA7Y494T4.0", "p5.48xlarge", Decimal(0)),
        ("P5.4NA7Y494T4.1", "p5.48xlarge", Decimal(482150)),
    ]
    assert (rows[1]["market_option"], rows[4]["unit"], rows[4]["lease"]) == ("CapacityBlock", "Quantity", "1yr")
    assert {row["effective_at"] for row in rows} == {datetime(2026, 11, 1, tzinfo=UTC)}
    assert {row["observed_at"] for row in rows} == {datetime(2026, 11, 2, 17, tzinfo=UTC)}
    assert delivery.rejects == []


def test_a_packed_file_reads_alike(tmp_path: Path) -> None:
    assert len(_rows(_read(tmp_path / "x", gzip.compress(json.dumps(OFFER).encode())))) == 5


@pytest.mark.parametrize("part", [0.35, 0.6, 0.9, 0.999])
def test_a_cut_json_list_is_refused_whole(tmp_path: Path, part: float) -> None:
    text = json.dumps(OFFER, indent=1)
    with pytest.raises(RefusedDelivery, match="ends early"):
        _rows(_read(tmp_path / "x", text[: int(len(text) * part)]))


def test_bad_rates_are_rejected_one_by_one(tmp_path: Path) -> None:
    lines = as_csv(OFFER).splitlines()
    lines[6] = lines[6].replace("55.0400000000", "-1")
    lines[7] = lines[7].replace('"55.0400000000"', '"cheap"')
    lines[8] += ',"one more"'
    delivery = _read(tmp_path / "x", "\n".join([*lines, lines[-1]]))
    assert [row["rate_code"] for row in _rows(delivery)] == ["P5.4NA7Y494T4.0", "P5.4NA7Y494T4.1"]
    reasons = [reject.reason for reject in delivery.rejects]
    assert [reject.line_number for reject in delivery.rejects] == [7, 8, 9, len(lines) + 1]
    assert "negative" in reasons[0]
    assert "'cheap' is no amount" in reasons[1]
    assert reasons[3] == "the same rate code again"


def _changed(**changes: Any) -> str:
    return json.dumps({**OFFER, **changes})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_changed(offerCode="AmazonS3"), "price list of AmazonS3"),
        (json.dumps(OFFER).replace('"USD"', '"CNY"'), "prices in CNY"),
        (
            json.dumps({**{key: OFFER[key] for key in ("offerCode", "publicationDate", "terms")}, **OFFER}),
            "terms come before",
        ),
        (json.dumps(OFFER) + "x", "goes on after its end"),
        (json.dumps(OFFER).replace('"products": {', '"products": {,'), "is wrong"),
        (as_csv(OFFER).replace('"Currency",', '"Money",'), "without the column currency"),
        ("\n".join(as_csv(OFFER).splitlines()[:5]), "without its header"),
    ],
)
def test_what_cannot_be_a_price_list_of_ec2_in_usd_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RefusedDelivery, match=words):
        _rows(_read(tmp_path / "x", text))


def test_a_term_of_another_shape_is_a_reject(tmp_path: Path) -> None:
    broken = json.loads(json.dumps(OFFER))
    broken["terms"]["OnDemand"]["TRN2"] = {"x": {"priceDimensions": 3}}
    broken["products"]["NEW"] = "none"
    delivery = _read(tmp_path / "x", json.dumps(broken))
    assert [row["sku"] for row in _rows(delivery)] == ["P5", "P5", "P5"]
    assert [reject.reason.split(":")[0] for reject in delivery.rejects] == ["not a product", "not a term"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), st.integers(1, 40), st.sampled_from([None, 1]))
def test_members_come_out_alike_however_the_bytes_are_cut(
    document: dict[str, Any], size: int, indent: int | None
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        text.decode()
    except UnicodeDecodeError:
        return
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    assert list(members(chunks, {}, "x")) == [((key,), value) for key, value in document.items()]


def test_a_number_cut_behind_its_first_digit_is_read_whole() -> None:
    text = b'{"a": 0.5, "b": -10e2, "c": 1}'
    for cut in range(1, len(text)):
        found = members((text[:cut], text[cut:]), {}, "x")
        assert dict(found) == {("a",): 0.5, ("b",): -1000.0, ("c",): 1}
