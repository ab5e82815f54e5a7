"""What every EC2 listing shares: all pages or none, and an answer that says nothing new being the delivery it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa

from pipeline.sources.aws_calls import call
from pipeline.sources.base import DeliveryInfo, ParsedDelivery, Reject

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

ROWS_PER_BATCH = 10_000


@dataclass(frozen=True)
class Known:
    """The newest delivery of an object in the ledger: what it held and when it was observed."""

    content_sha256: str
    observed_at: datetime


@dataclass(frozen=True)
class Place:
    """Whose EC2 is asked, where, and when; `known` are the newest deliveries by object name."""

    account_id: str
    region: str
    now: datetime
    known: Mapping[str, Known]

    def name(self, what: str) -> str:
        """Object name of a listing, `ec2://<account>/<region>/<what>`."""
        return f"ec2://{self.account_id}/{self.region}/{what}"


def pages(client: EC2Client, operation: str, action: str, place: str, **asked: Any) -> Iterator[Mapping[str, Any]]:
    """Every page of a paged EC2 operation; SourceError where one of them fails. `action` is ec2's, as in IAM."""
    answers: Iterator[Mapping[str, Any]] = iter(client.get_paginator(operation).paginate(**asked))  # type: ignore[call-overload]
    while page := call(lambda: next(answers, None), permission=f"ec2:{action}", place=place):
        yield page


def listing(
    place: Place,
    name: str,
    table: str,
    schema: pa.Schema,
    rows: Sequence[Mapping[str, Any]],
    rejects: list[Reject],
    source: str,
) -> ParsedDelivery:
    """The delivery of a listing, observed at `place.now`.

    Rows that the newest delivery of this UTC day held already are that delivery again, and change nothing. The first
    listing of a day always lands: it says that what it lists still exists.
    """
    content = orjson.dumps([rows, [reject.reason for reject in rejects]], option=orjson.OPT_SORT_KEYS, default=str)
    sha256 = hashlib.sha256(content).hexdigest()
    now, before = place.now.astimezone(UTC), place.known.get(name)
    is_again = before and before.content_sha256 == sha256 and before.observed_at.astimezone(UTC).date() == now.date()
    observed_at = before.observed_at.astimezone(UTC) if before and is_again else now
    info = DeliveryInfo(source, name, sha256, observed_at, False, observed_at, byte_count=len(content))
    return ParsedDelivery(info, _batches(table, schema, rows, observed_at), rejects)


def _batches(
    table: str, schema: pa.Schema, rows: Sequence[Mapping[str, Any]], observed_at: datetime
) -> Iterator[tuple[str, pa.RecordBatch]]:
    for start in range(0, len(rows), ROWS_PER_BATCH):
        batch = [{"observed_at": observed_at, **row} for row in rows[start : start + ROWS_PER_BATCH]]
        yield table, pa.RecordBatch.from_pylist(batch, schema)
