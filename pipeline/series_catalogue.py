"""The catalogue of CloudWatch series in the warehouse: what listings found, kept after CloudWatch has forgotten it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import orjson
import pyarrow as pa

from pipeline.sources.arrow_arrays import texts
from pipeline.sources.cloudwatch_series import NAMESPACE, Series
from pipeline.staged import registered
from pipeline.warehouse import transaction, utc_rows


@dataclass(frozen=True)
class Place:
    """One account and region of CloudWatch."""

    account_id: str
    region: str


def last_listed_at(conn: duckdb.DuckDBPyConnection, place: Place, now: datetime) -> datetime | None:
    """When the newest listing found something, as far as `now` knows."""
    rows = utc_rows(
        conn,
        "select max(last_seen_at) from raw_cloudwatch_series where account_id = ? and region = ? and last_seen_at <= ?",
        [place.account_id, place.region, now],
    )
    found: datetime | None = rows[0][0]
    return found


def merge(conn: duckdb.DuckDBPyConnection, place: Place, found: Sequence[Series], now: datetime) -> None:
    """Note that a listing at `now` named these series; a clock that is turned back changes nothing."""
    rows = pa.table(
        {
            "metric_name": texts([series.metric_name for series in found]),
            "dimensions": texts([_text(series) for series in found]),
        }
    )
    with transaction(conn), registered(conn, "listed_series", rows):
        conn.execute(
            "merge into raw_cloudwatch_series as known using (select *, $account_id as account_id, $region as region, "
            "$namespace as metric_namespace from listed_series) as listed "
            "using (account_id, region, metric_namespace, metric_name, dimensions) "
            "when matched then update set first_seen_at = least(first_seen_at, $now), "
            "last_seen_at = greatest(last_seen_at, $now) "
            "when not matched then insert (account_id, region, metric_namespace, metric_name, dimensions, "
            "first_seen_at, last_seen_at) values (account_id, region, metric_namespace, metric_name, dimensions, "
            "$now, $now)",
            {"account_id": place.account_id, "region": place.region, "namespace": NAMESPACE, "now": now},
        )


def seen_since(conn: duckdb.DuckDBPyConnection, place: Place, since: datetime) -> list[tuple[Series, datetime]]:
    """The series that a listing named at `since` or later, sorted, with the time of the newest such listing."""
    rows = utc_rows(
        conn,
        "select metric_name, dimensions, last_seen_at from raw_cloudwatch_series "
        "where account_id = ? and region = ? and last_seen_at >= ? order by metric_name, dimensions",
        [place.account_id, place.region, since],
    )
    return sorted((Series(name, tuple(orjson.loads(text).items())), seen_at) for name, text, seen_at in rows)


def _text(series: Series) -> str:
    return orjson.dumps(dict(series.dimensions)).decode()
