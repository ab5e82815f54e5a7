"""FOCUS bills of any cloud: an export's chunks under their Manifest, or single files that come without one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import (
    NAME_STAMP,
    IngestOptions,
    ParsedDelivery,
    Reject,
    Seeds,
    SourceObject,
    describe,
    observation_time,
)
from pipeline.sources.bill_chunks import columns_of, read_lines
from pipeline.sources.cur_manifest import Manifest, delivery_info
from pipeline.sources.focus_columns import NULLS, USED, canonical_names, focus_rows, require_columns, version_of

SOURCE = "focus"
TABLE = "raw_focus_lines"

_SHARD = re.compile(r"[-_]0\d{3,}(?=$|[-_.])")
_STAMP = re.compile(f"{NAME_STAMP.pattern}Z?")
_ENDINGS = re.compile(r"(\.(csv|parquet|snappy|gz|zip))+$", re.IGNORECASE)


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Lines of a file without a Manifest as raw_focus_lines rows; it speaks for the account-days that it holds."""
    rejects: list[Reject] = []
    described = describe(obj, SOURCE, observation_time(obj, options))
    info = replace(described, export_name=file_set(obj.name), execution_id=without_shard(obj.name))
    return ParsedDelivery(info, _batches([obj], rejects), rejects)


def read_export(manifest: Manifest, chunks: Sequence[SourceObject]) -> ParsedDelivery:
    """Lines of the delivery that a Manifest lists; every line must be of the Manifest's month."""
    rejects: list[Reject] = []
    batches = _of_one_month(manifest, _batches(chunks, rejects))
    return ParsedDelivery(delivery_info(SOURCE, manifest, chunks), batches, rejects)


def without_shard(name: str) -> str:
    """What shards of one run have in common: the name without zero-padded shard numbers and endings."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + _SHARD.sub("", _ENDINGS.sub("", file))


def file_set(name: str) -> str:
    """What files of one bill have in common over its runs: the name without shard numbers, endings and stamps."""
    folder, slash, file = without_shard(name).rpartition("/")
    return folder + slash + (_STAMP.sub("", file).strip("-_.") or "bill")


def _batches(chunks: Sequence[SourceObject], rejects: list[Reject]) -> Iterator[tuple[str, pa.RecordBatch]]:
    lines_before = 0
    for chunk in chunks:
        own_names = canonical_names(columns_of(chunk))
        require_columns(chunk.name, own_names)
        version = version_of(own_names)
        for lines in read_lines(chunk, sorted(set(own_names.values())), NULLS):
            numbers = pa.array(range(lines_before + 1, lines_before + len(lines) + 1), pa.int64())
            lines_before += len(lines)
            rows = focus_rows(_renamed(lines, own_names), numbers, chunk.name, version, rejects)
            if len(rows):
                yield TABLE, rows


def _renamed(lines: pa.RecordBatch, own_names: dict[str, str]) -> pa.RecordBatch:
    wanted = {name: lines.column(own) for name, own in own_names.items() if name in USED}
    return pa.RecordBatch.from_pydict({name: _plain_text(column) for name, column in wanted.items()})


def _plain_text(column: pa.Array) -> pa.Array:
    """Dictionary and large text as text, so that every format reads alike."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    return column


def _of_one_month(
    manifest: Manifest, batches: Iterator[tuple[str, pa.RecordBatch]]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The batches, refused where a chunk of another month lies under the Manifest's names."""
    for table, rows in batches:
        others = [
            month for month in pc.unique(rows.column("billing_period")).to_pylist() if month != manifest.billing_period
        ]
        if others:
            reason = f"lines of {others[0]:%Y-%m} under a Manifest of {manifest.billing_period:%Y-%m}"
            raise RefusedDelivery(manifest.obj.name, reason, "deliver the Manifest together with its own chunks")
        yield table, rows
