"""The catalogue of CloudWatch series in the warehouse: what listings found, kept after CloudWatch has forgotten it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa

from pipeline.sources.arrow_arrays import integers
from pipeline.sources.cloudwatch_rows import catalogue_rows
from pipeline.sources.cloudwatch_series import COLUMN_OF_DIMENSION, Named, Series, name_series
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


def merge(conn: duckdb.DuckDBPyConnection, place: Place, found: Collection[Series], now: datetime) -> None:
    """Note that a listing at `now` named these series; a clock that is turned back changes nothing."""
    by_key = {named.key: named for named in name_series(place.account_id, place.region, found)}
    listed = pa.table({"series_key": integers(np.fromiter(by_key, np.int64, len(by_key)))})
    with transaction(conn), registered(conn, "listed_series", listed):
        new = conn.execute("select series_key from listed_series anti join raw_cloudwatch_series using (series_key)")
        rows = catalogue_rows(place.account_id, place.region, [by_key[key] for (key,) in new.fetchall()])
        with registered(conn, "new_series", pa.Table.from_batches([rows])):
            conn.execute("insert into raw_cloudwatch_series by name select * from new_series")
        conn.execute(
            "update raw_cloudwatch_series as known set first_seen_at = least(first_seen_at, $now), "
            "last_seen_at = greatest(last_seen_at, $now) from listed_series as listed "
            "where known.series_key = listed.series_key",
            {"now": now},
        )


def seen_since(conn: duckdb.DuckDBPyConnection, place: Place, since: datetime) -> list[tuple[Named, datetime]]:
    """The series that a listing named at `since` or later, with the time of the newest such listing."""
    columns = conn.sql(
        f"select series_key, metric_name, epoch_us(last_seen_at), {', '.join(COLUMN_OF_DIMENSION.values())} "
        "from raw_cloudwatch_series where account_id = ? and region = ? and last_seen_at >= ?",
        params=[place.account_id, place.region, since],
    ).to_arrow_table()
    keys, metric_names, seen_us, *texts = (column.to_pylist() for column in columns.columns)
    moments = {stamp: _moment(stamp) for stamp in set(seen_us)}
    named = [_named(name, column) for name, column in zip(COLUMN_OF_DIMENSION, texts, strict=True)]
    pairs = zip(*(column for _, column in sorted(zip(COLUMN_OF_DIMENSION, named, strict=True))), strict=True)
    return [
        (Named(key, Series(metric_name, tuple(filter(None, dimensions)))), moments[stamp])
        for key, metric_name, stamp, dimensions in zip(keys, metric_names, seen_us, pairs, strict=True)
    ]


def _named(name: str, values: Sequence[str]) -> list[tuple[str, str] | None]:
    """The dimension of each series, None where it has none; equal ones are one object."""
    pairs = {value: (name, value) if value else None for value in set(values)}
    return [pairs[value] for value in values]


def _moment(epoch_us: int) -> datetime:
    return datetime.fromtimestamp(epoch_us // 1_000_000, UTC) + timedelta(microseconds=epoch_us % 1_000_000)
