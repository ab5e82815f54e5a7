"""EC2 Capacity Reservations and Capacity Blocks over the API (DescribeCapacityReservations)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.sources.base import ParsedDelivery
from pipeline.sources.ec2_calls import Place, listing, pages
from pipeline.sources.inventory import SOURCE
from pipeline.sources.inventory_reservations import SCHEMA, TABLE, reservation_row

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def fetch(client: EC2Client, place: Place) -> ParsedDelivery:
    """All reservations that one account holds or is given in one region."""
    name = place.name("capacity-reservations")
    rows = [
        reservation_row({"OwnerId": place.account_id, "Region": place.region, **reservation})
        for page in pages(client, "describe_capacity_reservations", "DescribeCapacityReservations", name)
        for reservation in page.get("CapacityReservations", [])
    ]
    rows.sort(key=lambda row: str(row["reservation_id"]))
    return listing(place, name, TABLE, SCHEMA, rows, [], SOURCE)
