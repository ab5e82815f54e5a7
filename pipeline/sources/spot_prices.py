"""EC2 spot price history: over the API, and from files that `aws ec2 describe-spot-price-history` wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa

from pipeline.sources.base import (
    IngestOptions,
    ParsedDelivery,
    Reject,
    Seeds,
    SourceObject,
    add_reject,
    describe,
    observation_time,
)
from pipeline.sources.decimals import MONEY, exact_decimal
from pipeline.sources.ec2_calls import Place, listing, pages
from pipeline.sources.inventory import utc_time
from pipeline.sources.json_listing import json_documents, row_batches

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

SOURCE = "spot_prices"
TABLE = "raw_spot_prices"
PRODUCT = "Linux/UNIX"
TYPES_PER_CALL = 100
_ZONE = re.compile(r"([a-z]{2}(?:-[a-z]+)+-\d+)[a-z0-9-]*")
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [("observed_at", _TIME), ("price_at", _TIME)]
    + [(name, pa.string()) for name in ("region", "availability_zone", "instance_type", "product")]
    + [("price_usd", MONEY)]
)


def fetch(client: EC2Client, place: Place, start_at: datetime, instance_types: Sequence[str]) -> ParsedDelivery:
    """Linux prices of the given types from `start_at` (the ones in force then, too) until `place.now`."""
    name = place.name("spot-prices")
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    rejects: list[Reject] = []
    for start in range(0, len(instance_types), TYPES_PER_CALL):
        asked = {
            "StartTime": start_at,
            "EndTime": place.now,
            "ProductDescriptions": [PRODUCT],
            "InstanceTypes": list(instance_types[start : start + TYPES_PER_CALL]),
        }
        for page in pages(client, "describe_spot_price_history", "DescribeSpotPriceHistory", name, **asked):
            for number, record in enumerate(page.get("SpotPriceHistory", []), start=1):
                try:
                    row = _row(record)
                except (ValueError, TypeError, AttributeError, LookupError) as error:
                    rejects.append(Reject.of(number, _reason(error), orjson.dumps(record, default=str)))
                    continue
                rows[_key(row)] = row
    return listing(place, name, TABLE, SCHEMA, [rows[key] for key in sorted(rows)], rejects, SOURCE)


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Records of response documents, or one record per line, as raw_spot_prices rows."""
    info = describe(obj, SOURCE, observation_time(obj, options))
    rejects: list[Reject] = []
    return ParsedDelivery(info, row_batches(_rows(obj, info.observed_at, rejects), TABLE, SCHEMA), rejects)


def _rows(obj: SourceObject, observed_at: datetime, rejects: list[Reject]) -> Iterator[dict[str, Any]]:
    seen: set[tuple[Any, ...]] = set()
    for number, record in _records(obj, rejects):
        try:
            row = {"observed_at": observed_at, **_row(record)}
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            add_reject(rejects, Reject.of(number, _reason(error), orjson.dumps(record)), obj.name)
            continue
        if _key(row) in seen:
            add_reject(rejects, Reject.of(number, "the same price again", orjson.dumps(record)), obj.name)
            continue
        seen.add(_key(row))
        yield row


def _records(obj: SourceObject, rejects: list[Reject]) -> Iterator[tuple[int, Any]]:
    for number, document in json_documents(obj, rejects):
        if isinstance(document, dict) and isinstance(document.get("SpotPriceHistory"), list):
            for position, record in enumerate(document["SpotPriceHistory"], start=1):
                yield number or position, record
        else:
            yield number or 1, document


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    zone, price_at = str(record["AvailabilityZone"]), utc_time(record["Timestamp"])
    region, price = _ZONE.fullmatch(zone), exact_decimal(str(record["SpotPrice"]))
    if region is None or price_at is None or not record["InstanceType"]:
        raise ValueError(f"zone {zone!r}, or its time or instance type, is none")
    if price <= 0:
        raise ValueError(f"a price of {record['SpotPrice']}")
    return {
        "price_at": price_at,
        "region": region[1],
        "availability_zone": zone,
        "instance_type": str(record["InstanceType"]),
        "product": str(record["ProductDescription"]),
        "price_usd": price,
    }


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("availability_zone", "instance_type", "product", "price_at"))


def _reason(error: Exception) -> str:
    missing = f"it has no {error}" if isinstance(error, LookupError) else str(error)
    return f"not a spot price: {missing}"
