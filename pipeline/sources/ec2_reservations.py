"""EC2 Capacity Reservations and Capacity Blocks over the API (DescribeCapacityReservations)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.sources.base import ParsedDelivery
from pipeline.sources.ec2_calls import Place, listing, pages
from pipeline.sources.inventory import SOURCE, tags_text

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

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


def fetch(client: EC2Client, place: Place) -> ParsedDelivery:
    """All reservations that one account holds or is given in one region."""
    name = place.name("capacity-reservations")
    rows = [
        _row(reservation, place)
        for page in pages(client, "describe_capacity_reservations", "DescribeCapacityReservations", name)
        for reservation in page.get("CapacityReservations", [])
    ]
    rows.sort(key=lambda row: str(row["reservation_id"]))
    return listing(place, name, TABLE, SCHEMA, rows, [], SOURCE)


def _row(reservation: Mapping[str, Any], place: Place) -> dict[str, Any]:
    kind = str(reservation.get("ReservationType") or "default")
    return {
        "reservation_id": reservation["CapacityReservationId"],
        "account_id": str(reservation.get("OwnerId") or place.account_id),
        "region": place.region,
        "availability_zone": str(reservation.get("AvailabilityZone") or ""),
        "instance_type": str(reservation.get("InstanceType") or ""),
        "platform": str(reservation.get("InstancePlatform") or ""),
        "tenancy": str(reservation.get("Tenancy") or ""),
        "state": str(reservation.get("State") or ""),
        "reservation_type": KINDS.get(kind, "default"),
        "total_count": int(reservation.get("TotalInstanceCount") or 0),
        "available_count": reservation.get("AvailableInstanceCount"),
        # a block begins when it is due, an open reservation when it was made
        "start_at": reservation.get("StartDate") or reservation.get("CreateDate"),
        "end_at": reservation.get("EndDate"),
        "tags": tags_text(reservation.get("Tags")),
    }
