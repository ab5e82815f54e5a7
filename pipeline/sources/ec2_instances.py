"""EC2 instances over the API (DescribeInstances), as the same rows that a listing in a file gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from pipeline.sources.base import ParsedDelivery, Reject
from pipeline.sources.ec2_calls import Place, listing, pages
from pipeline.sources.inventory import SCHEMA, SOURCE, TABLE, Listed, instance_row

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

PAGE_SIZE = 1000


def fetch(client: EC2Client, place: Place) -> ParsedDelivery:
    """All instances of one account and region, tags included; raises SourceError and keeps nothing of half a listing.

    A record that is no instance is a reject, numbered by its position.
    """
    name = place.name("instances")
    rows: dict[str, dict[str, Any]] = {}
    rejects: list[Reject] = []
    number = 0
    for page in pages(
        client, "describe_instances", "DescribeInstances", name, PaginationConfig={"PageSize": PAGE_SIZE}
    ):
        for reservation in page.get("Reservations", []):
            for instance in reservation.get("Instances", []):
                number += 1
                told = {"OwnerId": reservation.get("OwnerId") or place.account_id, "Region": place.region, **instance}
                try:
                    row = instance_row(Listed(number, told), place.now)
                except (ValueError, TypeError, AttributeError) as error:
                    rejects.append(Reject.of(number, f"not an EC2 instance: {error}", orjson.dumps(told, default=str)))
                    continue
                del row["observed_at"]
                rows[str(row["instance_id"])] = row  # paging over a moving fleet may show one twice
    ordered = [rows[instance_id] for instance_id in sorted(rows)]
    return listing(place, name, TABLE, SCHEMA, ordered, rejects, SOURCE)


def types_listed(delivered: ParsedDelivery) -> tuple[ParsedDelivery, list[str]]:
    """The same delivery, and which instance types it holds, sorted."""
    batches = list(delivered.batches)
    types = {kind for _, rows in batches for kind in rows.column("instance_type").to_pylist()}
    return ParsedDelivery(delivered.info, iter(batches), delivered.rejects), sorted(types)
