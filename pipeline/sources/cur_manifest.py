"""What the Manifest of a cost export says: which chunks make one delivery, of which month, made when.

AWS Data Exports (CUR 2.0, FOCUS) and Azure Cost Management (FOCUS) write one beside their chunks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import DeliveryInfo, IngestOptions, SourceObject, content_sha256, observation_time
from pipeline.sources.damage import read_document

EXECUTION_TIMES = (
    "executiontime",
    "executioncompletedat",
    "completedat",
    "deliveredat",
    "creationtime",
    "createdat",
    "generatedat",
    "lastupdatedat",
    "submittedtime",
)
AZURE_PARTS = ("exportconfig", "runinfo")
CHECK_EXPORT = "deliver the Manifest that AWS wrote, unchanged"

_PERIOD = re.compile(r"(20\d\d)-?(0[1-9]|1[0-2])")
_PERIOD_IN_PATH = re.compile(r"BILLING_PERIOD=(20\d\d-\d\d)", re.IGNORECASE)
_STAMPED_FOLDER = re.compile(r"(\d{4}-?\d\d-?\d\dT\d\d[:-]?\d\d[:-]?\d\d(?:\.\d+)?Z)(?:-([0-9A-Za-z-]+))?/")


@dataclass(frozen=True)
class Manifest:
    """One delivery of an export, keyed by (export_name, billing_period, execution_id); `data_files` as listed."""

    obj: SourceObject
    export_name: str
    billing_period: date
    execution_id: str
    delivered_at: datetime
    time_guessed: bool
    data_files: tuple[str, ...]


def read_manifest(obj: SourceObject, options: IngestOptions) -> Manifest:
    """Read a Manifest JSON; keys are found whatever their case and underscores. Refused when it names no data file."""
    document = read_document(obj.path, obj.name)
    if not isinstance(document, dict):
        raise RefusedDelivery(obj.name, "a Manifest that is no JSON object", CHECK_EXPORT)
    fields = _plain_keys(document)
    for part in AZURE_PARTS:
        fields = {**_plain_keys(fields.get(part)), **fields}
    files = tuple(_file_names(obj, fields.get("datafiles") or fields.get("blobs")))
    delivered_at, guessed = _delivered_at(obj, fields, files, options)
    _require_one_execution(obj, fields, files)
    return Manifest(
        obj=obj,
        export_name=_export_name(obj, fields),
        billing_period=_billing_period(obj, fields, files),
        execution_id=_execution_id(obj, fields, files),
        delivered_at=delivered_at,
        time_guessed=guessed,
        data_files=files,
    )


def delivery_info(source: str, manifest: Manifest, chunks: Sequence[SourceObject]) -> DeliveryInfo:
    """Identity card of an export's delivery: the same bytes of another execution are another delivery."""
    digest = hashlib.sha256()
    for part in (manifest.export_name, manifest.billing_period.isoformat(), manifest.execution_id):
        digest.update(f"{part}\n".encode())
    for chunk in chunks:
        digest.update(f"{content_sha256(chunk.path)}\n".encode())
    return DeliveryInfo(
        source=source,
        object=manifest.obj.name,
        content_sha256=digest.hexdigest(),
        observed_at=manifest.delivered_at,
        time_guessed=manifest.time_guessed,
        delivered_at=manifest.delivered_at,
        byte_count=sum(chunk.path.stat().st_size for chunk in chunks),
        export_name=manifest.export_name,
        billing_period=manifest.billing_period,
        execution_id=manifest.execution_id,
    )


def has_own_folder(data_file: str) -> bool:
    """Whether a listed chunk lies in a folder of its execution ("create new"): nothing is ever written over it."""
    return _STAMPED_FOLDER.search(data_file) is not None


def chunk_locations(manifest_location: str, data_file: str) -> Iterator[str]:
    """Where a listed chunk may lie, likeliest first: the export's data folder, the Manifest's own folder, as written.

    `manifest_location` is an absolute path or s3:// address; the export's root is what comes before `/metadata/`. A
    chunk in the folder of its execution is not looked for under its bare name: other executions have that name too.
    """
    root, inside, _ = manifest_location.rpartition("/metadata/")
    tail = data_file.rpartition("/data/")[2]
    if inside:
        yield f"{root}/data/{tail}"
    if not (inside and has_own_folder(tail)):
        yield f"{manifest_location.rpartition('/')[0]}/{tail.rpartition('/')[2]}"
    if data_file.startswith("s3://") and manifest_location.startswith("s3://"):
        yield data_file


def _file_names(obj: SourceObject, listed: object) -> Iterator[str]:
    if not isinstance(listed, list) or not listed:
        raise RefusedDelivery(obj.name, "the Manifest lists no data files", CHECK_EXPORT)
    for entry in listed:
        found = (
            entry if isinstance(entry, str) else _first(entry, ("key", "path", "location", "name", "url", "blobname"))
        )
        if not found or ".." in found.split("/"):
            raise RefusedDelivery(obj.name, f"the Manifest lists a data file without a name: {entry}", CHECK_EXPORT)
        yield found


def _plain_keys(document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        return {}
    return {str(key).lower().replace("_", ""): value for key, value in document.items()}


def _first(entry: object, keys: tuple[str, ...]) -> str:
    fields = {key.lower(): value for key, value in entry.items()} if isinstance(entry, dict) else {}
    return next((str(fields[key]) for key in keys if fields.get(key)), "")


def _export_name(obj: SourceObject, fields: Mapping[str, Any]) -> str:
    named = fields.get("exportname") or _first(fields.get("export"), ("name", "exportname")) or fields.get("reportname")
    if named:
        return str(named)
    before = obj.name.rpartition("/metadata/")[0].rpartition("/")[2]
    return before or re.sub(r"-?Manifest\.json(\.gz)?$", "", obj.name.rpartition("/")[2], flags=re.IGNORECASE)


def _billing_period(obj: SourceObject, fields: Mapping[str, Any], files: tuple[str, ...]) -> date:
    value = fields.get("billingperiod") or fields.get("billingperiodstart") or fields.get("startdate")
    text = _first(value, ("start", "startdate", "billingperiod")) if isinstance(value, dict) else str(value or "")
    if (found := _PERIOD.match(text)) is not None:
        return date(int(found[1]), int(found[2]), 1)
    for path in (obj.name, *files):
        if (in_path := _PERIOD_IN_PATH.search(path)) is not None:
            return date.fromisoformat(f"{in_path[1]}-01")
    raise RefusedDelivery(obj.name, "the Manifest names no billing period", CHECK_EXPORT)


def _require_one_execution(obj: SourceObject, fields: Mapping[str, Any], files: tuple[str, ...]) -> None:
    given = fields.get("executionid") or fields.get("assemblyid")
    folders = {str(found[2]) for path in files if (found := _STAMPED_FOLDER.search(path)) and found[2]}
    others = sorted(folders - {str(given)} if given else folders)
    if (given and others) or len(others) > 1:
        reason = f"the Manifest of execution {given or others[0]} lists chunks of execution {others[-1]}"
        raise RefusedDelivery(obj.name, reason, CHECK_EXPORT)


def _execution_id(obj: SourceObject, fields: Mapping[str, Any], files: tuple[str, ...]) -> str:
    given = fields.get("executionid") or fields.get("assemblyid") or fields.get("runid")
    if given:
        return str(given)
    folders = (_STAMPED_FOLDER.search(path) for path in (obj.name, *files))
    return next((str(found[2]) for found in folders if found and found[2]), "")


def _delivered_at(
    obj: SourceObject, fields: Mapping[str, Any], files: tuple[str, ...], options: IngestOptions
) -> tuple[datetime, bool]:
    """The Manifest's execution time, else its folder's stamp, else as for any object; and whether it is a guess."""
    for key in EXECUTION_TIMES:
        if fields.get(key):
            return _utc(str(fields[key])), False
    for path in (obj.name, *files):
        if (found := _STAMPED_FOLDER.search(path)) is not None:
            return _utc(found[1]), False
    return observation_time(obj, options)


def _utc(text: str) -> datetime:
    day, _, clock = text.partition("T")
    moment = datetime.fromisoformat(
        f"{day}T{clock.replace('-', ':') if clock.endswith('Z') else clock}" if clock else day
    )
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
