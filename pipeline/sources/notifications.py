"""What a queue's message says: which S3 objects were written. Pure; nothing is looked up.

Three wrappings of the same news: S3's own notification (`Records`), the same inside an SNS envelope, and EventBridge's
`Object Created`. S3 writes keys URL-encoded (a space is `+`), EventBridge writes them plain. `s3:TestEvent`, removals
and every other news about an object are no arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import orjson

CREATED = "ObjectCreated:"
EVENT_BRIDGE_CREATED = "Object Created"
ENVELOPES_DEEP = 3


@dataclass(frozen=True)
class ArrivedObject:
    """One object that was written. `version` is its version id, '' in a bucket without versions; `etag` may be ''."""

    bucket: str
    key: str
    version: str = ""
    etag: str = ""

    @property
    def location(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def identity(self) -> str:
        """What makes two messages speak of the same thing: bucket, key, and version or content."""
        return f"{self.location}#{self.version or self.etag}"


@dataclass(frozen=True)
class News:
    """What one message says: objects that arrived, and why parts of it (or all of it) could not be read."""

    objects: tuple[ArrivedObject, ...] = ()
    problem: str = ""


def read_message(body: str) -> News:
    """The news in a message's body; one that is none has a `problem` and no objects."""
    document: Any = body
    for _ in range(ENVELOPES_DEEP):
        try:
            document = orjson.loads(document)
        except orjson.JSONDecodeError as error:
            return News(problem=f"not JSON: {error}")
        if not (isinstance(document, dict) and document.get("Type") == "Notification" and "Message" in document):
            break
        document = document["Message"]
        if not isinstance(document, str):
            return News(problem="an SNS envelope whose Message is no text")
    return _news(document)


def _news(document: Any) -> News:
    if not isinstance(document, dict):
        return News(problem="JSON, but no object: neither an S3 notification nor an EventBridge event")
    if document.get("Event") == "s3:TestEvent":
        return News()
    if "detail-type" in document:
        return _event_bridge(document)
    records = document.get("Records")
    if not isinstance(records, list) or not records:
        return News(problem="JSON without Records: neither an S3 notification nor an EventBridge event")
    found = [_record(record) for record in records]
    problems = sorted({one for one in found if isinstance(one, str)})
    objects = tuple(dict.fromkeys(one for one in found if isinstance(one, ArrivedObject)))
    return News(objects, "; ".join(problems))


def _record(record: Any) -> ArrivedObject | str | None:
    """The object of one record, None where nothing arrived, or what is wrong with it."""
    if not isinstance(record, Mapping) or not isinstance(name := record.get("eventName"), str):
        return "a record without eventName"
    if not name.removeprefix("s3:").startswith(CREATED):
        return None
    part = record.get("s3")
    return _object(part, unquote_plus) if isinstance(part, Mapping) else f"a record {name} without s3"


def _event_bridge(document: Mapping[str, Any]) -> News:
    if document["detail-type"] != EVENT_BRIDGE_CREATED:
        return News()
    found = _object(document.get("detail"), str)
    return News(problem=found) if isinstance(found, str) else News((found,))


def _object(part: Any, decode: Any) -> ArrivedObject | str:
    try:
        bucket, stored = part["bucket"]["name"], part["object"]
        key, version = stored["key"], stored.get("versionId") or stored.get("version-id") or ""
        etag = stored.get("eTag") or stored.get("etag") or ""
    except (KeyError, TypeError, AttributeError):
        return "a record without s3.bucket.name or s3.object.key"
    if not all(isinstance(text, str) for text in (bucket, key, version, etag)) or not bucket or not key:
        return "a record whose bucket, key, version or eTag is no text, or empty"
    decoded = decode(key)
    if "\0" in decoded or "\ufffd" in decoded:
        return f"a key that is not UTF-8: {key[:200]}"
    return ArrivedObject(bucket, decoded, "" if version == "null" else version, etag.strip('"'))
