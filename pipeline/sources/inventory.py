"""EC2 instance listings: one Instance object per line, or whole describe-instances responses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
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
from pipeline.sources.json_listing import json_documents, row_batches

SOURCE = "inventory"
TABLE = "raw_inventory"
LIFECYCLES = {"spot": "spot", "capacity-block": "capacity-block"}

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d+")
_STOPPED = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")

_TEXT = pa.string()
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [("observed_at", _TIME)]
    + [(name, _TEXT) for name in ("instance_id", "instance_type", "account_id", "region", "availability_zone")]
    + [("private_dns_name", _TEXT), ("launch_at", _TIME), ("state", _TEXT), ("stopped_at", _TIME)]
    + [("lifecycle", _TEXT), ("tags", _TEXT), ("capacity_reservation_id", _TEXT)]
)


@dataclass(frozen=True)
class Listed:
    """One instance as listed: where in the object, its own fields, and what stood around it."""

    number: int
    instance: Mapping[str, Any]
    account_id: str = ""


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Instances of the object as raw_inventory rows; a time in a record goes before the object's own."""
    info = describe(obj, SOURCE, observation_time(obj, options))
    rejects: list[Reject] = []
    return ParsedDelivery(info, row_batches(_rows(obj, info.observed_at, rejects), TABLE, SCHEMA), rejects)


def _rows(obj: SourceObject, observed_at: datetime, rejects: list[Reject]) -> Iterator[dict[str, object]]:
    seen: set[tuple[object, object]] = set()
    for listed in _listed(obj, rejects):
        try:
            row = instance_row(listed, observed_at)
        except (ValueError, TypeError, AttributeError) as error:
            text = orjson.dumps(listed.instance)
            add_reject(rejects, Reject.of(listed.number, f"not an EC2 instance: {error}", text), obj.name)
            continue
        key = (row["instance_id"], row["observed_at"])
        if key in seen:
            text = orjson.dumps(listed.instance)
            add_reject(rejects, Reject.of(listed.number, "the same instance and time again", text), obj.name)
            continue
        seen.add(key)
        yield row


def _listed(obj: SourceObject, rejects: list[Reject]) -> Iterator[Listed]:
    for number, document in json_documents(obj, rejects):
        for listed in _instances(document):
            yield Listed(number or listed.number, listed.instance, listed.account_id)


def _instances(document: object) -> Iterator[Listed]:
    """Instances of a describe-instances response, of a list of instances, or the one instance it is."""
    if isinstance(document, dict) and isinstance(document.get("Reservations"), list):
        number = 0
        for reservation in document["Reservations"]:
            for instance in reservation.get("Instances", []):
                number += 1
                yield Listed(number, instance, str(reservation.get("OwnerId") or ""))
    elif isinstance(document, list):
        for number, instance in enumerate(document, start=1):
            yield Listed(number, instance)
    else:
        yield Listed(1, document if isinstance(document, dict) else {"value": document})


def instance_row(listed: Listed, observed_at: datetime) -> dict[str, object]:
    """The raw_inventory row of an EC2 Instance object; raises ValueError, TypeError or AttributeError for another."""
    instance = listed.instance
    instance_id = instance.get("InstanceId")
    if not isinstance(instance_id, str) or not instance_id:
        raise ValueError("it has no InstanceId")
    launch_at = utc_time(instance.get("LaunchTime"))
    stopped_at = _stopped_at(str(instance.get("StateTransitionReason") or ""))
    if launch_at is None or not instance.get("InstanceType"):
        raise ValueError("it has no LaunchTime or no InstanceType")
    zone = str((instance.get("Placement") or {}).get("AvailabilityZone") or "")
    lifecycle = str(instance.get("InstanceLifecycle") or "")
    return {
        "observed_at": utc_time(instance.get("observed_at")) or observed_at,
        "instance_id": instance_id,
        "instance_type": str(instance.get("InstanceType") or ""),
        "account_id": str(instance.get("OwnerId") or listed.account_id or _interface_owner(instance)),
        "region": str(instance.get("Region") or region_of(zone)),
        "availability_zone": zone,
        "private_dns_name": str(instance.get("PrivateDnsName") or ""),
        "launch_at": launch_at,
        "state": _state(instance.get("State")),
        # a start clears the reason late: a stop before the launch belongs to the life before
        "stopped_at": stopped_at if stopped_at and stopped_at >= launch_at else None,
        "lifecycle": LIFECYCLES.get(lifecycle, "on-demand"),
        "tags": tags_text(instance.get("Tags")),
        "capacity_reservation_id": str(instance.get("CapacityReservationId") or ""),
    }


def _interface_owner(instance: Mapping[str, Any]) -> str:
    interfaces = instance.get("NetworkInterfaces") or [{}]
    return str(interfaces[0].get("OwnerId") or "")


def region_of(zone: str) -> str:
    """The region of an availability zone, '' where it names none."""
    found = _REGION.match(zone)
    return found[0] if found else ""


def _state(state: object) -> str:
    return str(state.get("Name") or "") if isinstance(state, dict) else str(state or "")


def utc_time(text: object) -> datetime | None:
    """An ISO 8601 time in UTC; a time without an offset is taken as UTC; None for an absent one."""
    if text in (None, ""):
        return None
    moment = datetime.fromisoformat(str(text))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _stopped_at(reason: str) -> datetime | None:
    found = _STOPPED.search(reason)
    return utc_time(found[1]) if found else None


def tags_text(tags: object) -> str:
    """EC2 tags (a list of Key and Value, or a mapping) as a JSON object with sorted keys."""
    if isinstance(tags, list):
        pairs = {str(tag["Key"]): str(tag.get("Value") or "") for tag in tags if "Key" in tag}
    else:
        pairs = {str(key): str(value) for key, value in tags.items()} if isinstance(tags, dict) else {}
    return json.dumps(pairs, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
