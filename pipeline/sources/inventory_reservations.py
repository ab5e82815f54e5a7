"""EC2 Capacity Reservations and Capacity Blocks: what describe-capacity-reservations prints, or one per line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

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
from pipeline.sources.inventory import SOURCE, region_of, tags_text, utc_time
from pipeline.sources.json_listing import json_documents, row_batches

TABLE = "raw_capacity_reservations"
KINDS = {"default": "default", "capacity-block": "capacity-block"}
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [("observed_at", _TIME)]
    + [(name, pa.string()) for name in ("reservation_id", "account_id", "region", "availability_zone")]
    + [(name, pa.string()) for name in ("instance_type", "platform", "tenancy", "state", "reservation_type")]
    + [("total_count", pa.int64()), ("available_count", pa.int64()), ("start_at", _TIME), ("end_at", _TIME)]
    + [("tags", pa.string())]
)


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Reservations of the object as raw_capacity_reservations rows; a time in a record goes before the object's own."""
    info = describe(obj, SOURCE, observation_time(obj, options))
    rejects: list[Reject] = []
    return ParsedDelivery(info, row_batches(_rows(obj, info.observed_at, rejects), TABLE, SCHEMA), rejects)


def reservation_row(told: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a CapacityReservation object, without observed_at; raises ValueError or TypeError for another."""
    if not told.get("CapacityReservationId") or not told.get("InstanceType"):
        raise ValueError("it has no CapacityReservationId or no InstanceType")
    zone = str(told.get("AvailabilityZone") or "")
    available = told.get("AvailableInstanceCount")
    return {
        "reservation_id": str(told["CapacityReservationId"]),
        "account_id": str(told.get("OwnerId") or ""),
        "region": str(told.get("Region") or region_of(zone)),
        "availability_zone": zone,
        "instance_type": str(told["InstanceType"]),
        "platform": str(told.get("InstancePlatform") or ""),
        "tenancy": str(told.get("Tenancy") or ""),
        "state": str(told.get("State") or ""),
        "reservation_type": KINDS.get(str(told.get("ReservationType") or "default"), "default"),
        "total_count": int(told.get("TotalInstanceCount") or 0),
        "available_count": None if available is None else int(available),
        # a block begins when it is due, an open reservation when it was made
        "start_at": utc_time(told.get("StartDate")) or utc_time(told.get("CreateDate")),
        "end_at": utc_time(told.get("EndDate")),
        "tags": tags_text(told.get("Tags")),
    }


def _rows(obj: SourceObject, observed_at: datetime, rejects: list[Reject]) -> Iterator[dict[str, object]]:
    seen: set[object] = set()
    for number, told in _reservations(obj, rejects):
        try:
            row = {"observed_at": utc_time(told.get("observed_at")) or observed_at, **reservation_row(told)}
        except (ValueError, TypeError, AttributeError) as error:
            reason = f"not a capacity reservation: {error}"
            add_reject(rejects, Reject.of(number, reason, orjson.dumps(told)), obj.name)
            continue
        if row["reservation_id"] in seen:
            add_reject(rejects, Reject.of(number, "the same reservation again", orjson.dumps(told)), obj.name)
            continue
        seen.add(row["reservation_id"])
        yield row


def _reservations(obj: SourceObject, rejects: list[Reject]) -> Iterator[tuple[int, Any]]:
    for number, document in json_documents(obj, rejects):
        listed = document.get("CapacityReservations") if isinstance(document, dict) else document
        if isinstance(listed, list):
            yield from ((number or position, told) for position, told in enumerate(listed, start=1))
        else:
            yield number or 1, document
