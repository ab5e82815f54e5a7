"""Cost exports with a Manifest: which of their tables the chunks hold, and whether they are the Manifest's own."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import RefusedDelivery
from pipeline.sources import cur, focus
from pipeline.sources.base import ParsedDelivery, SourceObject
from pipeline.sources.bill_chunks import columns_of
from pipeline.sources.cur_manifest import Manifest, has_own_folder
from pipeline.sources.focus_columns import is_focus, require_columns


def read_export(manifest: Manifest, chunks: Sequence[SourceObject]) -> ParsedDelivery:
    """The delivery of a Manifest with all its chunks, CUR 2.0 or FOCUS by what they hold.

    Refused while a chunk is newer than the Manifest: with the delivery preference "overwrite" the next delivery is
    being written over this one, and its Manifest comes last.
    """
    for file, chunk in zip(manifest.data_files, chunks, strict=True):
        if not has_own_folder(file) and _is_newer(chunk, manifest.obj):
            reason = f"chunk {chunk.name} is newer than the Manifest: the next delivery is being written over this one"
            raise RefusedDelivery(manifest.obj.name, reason, "it lands when its own Manifest has come")
    kinds = {is_focus(columns_of(chunk)) for chunk in chunks}
    if len(kinds) > 1:
        raise RefusedDelivery(manifest.obj.name, "its chunks are partly CUR 2.0, partly FOCUS", "deliver it again")
    return focus.read_export(manifest, chunks) if True in kinds else cur.read_export(manifest, chunks)


def require_bill(chunk: SourceObject) -> None:
    """Refuse a chunk that no Manifest will save: a column without which no line can be booked is missing."""
    columns = columns_of(chunk)
    if is_focus(columns):
        require_columns(chunk.name, columns)
    else:
        cur.require_columns(chunk.name, columns)


def _is_newer(chunk: SourceObject, manifest: SourceObject) -> bool:
    """Whether S3 says so; the time of a local copy says nothing."""
    known = chunk.modified_is_known and manifest.modified_is_known
    return bool(known and chunk.modified_at and manifest.modified_at and chunk.modified_at > manifest.modified_at)
