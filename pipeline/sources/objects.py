"""Where objects lie: local folders and S3 prefixes, listed alike; S3 objects are downloaded before they are read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from pipeline.errors import SourceError, UsageError
from pipeline.sources import clients
from pipeline.sources.base import SourceObject
from pipeline.sources.s3_calls import s3_call

S3_SCHEME = "s3://"
TEMPORARY_ENDINGS = (".tmp", ".part", ".partial", ".crdownload", ".swp", "~")

NOT_THERE = frozenset({"404", "405", "NoSuchBucket", "NoSuchKey", "NoSuchVersion"})  # 405: a delete marker

S3Client: TypeAlias = Any  # boto3 builds its clients at run time; there is no class to name


class NoSuchObject(SourceError):
    """S3 answered, and knows no such object or version."""


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing. `location` is an absolute path or s3://bucket/key; `name` is what people are shown.

    `version` is the S3 version that is meant, '' for whichever is current.
    """

    name: str
    location: str
    byte_count: int
    modified_at: datetime
    version: str = ""

    @property
    def is_s3(self) -> bool:
        """Whether it must be downloaded before it can be read."""
        return self.location.startswith(S3_SCHEME)


def list_objects(root: str, s3: S3Client | None = None) -> list[StoredObject]:
    """Every object under a file, a folder (recursively) or an s3:// prefix, sorted by name.

    Hidden and temporary files are passed over. A missing path raises UsageError, a disk or S3 that fails SourceError.
    """
    require_root(root)
    found = _list_s3(root, s3) if root.startswith(S3_SCHEME) else _list_local(Path(root))
    return sorted(found, key=lambda stored: stored.name)


def require_root(root: str) -> None:
    """Raise UsageError unless `root` is an existing path or names a bucket (which need not answer)."""
    if root.startswith(S3_SCHEME):
        if not _bucket_and_key(root)[0]:
            raise UsageError(f"{root} names no bucket; write s3://bucket/prefix")
        return
    with _local_trouble(root):
        if not Path(root).is_file() and not Path(root).is_dir():
            raise UsageError(f"{root} is neither a file nor a folder; give an existing path or an s3:// prefix")


def fetch(stored: StoredObject, scratch: Path, s3: S3Client | None = None) -> SourceObject:
    """The object as a local file: itself, or downloaded into `scratch` (its time is then known, not guessed)."""
    if not stored.is_s3:
        return SourceObject(stored.name, Path(stored.location), stored.modified_at, modified_is_known=False)
    path = scratch / f"{len(os.listdir(scratch)):06d}"
    bucket, key = _bucket_and_key(stored.location)
    client, version = s3 or clients.s3(), {"VersionId": stored.version} if stored.version else None
    s3_call(
        lambda: client.download_file(bucket, key, str(path), ExtraArgs=version),
        permission="s3:GetObjectVersion" if stored.version else "s3:GetObject",
        place=stored.location,
    )
    return SourceObject(stored.name, path, stored.modified_at, modified_is_known=True)


def stat_object(bucket: str, key: str, version: str = "", s3: S3Client | None = None) -> StoredObject:
    """One S3 object, or one version of it, without reading it.

    Raises NoSuchObject where S3 knows none, SourceError where it does not answer or does not allow the question.
    """
    location = f"{S3_SCHEME}{bucket}/{key}"
    meant = {"VersionId": version} if version else {}
    client = s3 or clients.s3()
    try:
        answer = s3_call(
            lambda: client.head_object(Bucket=bucket, Key=key, **meant),
            permission="s3:GetObjectVersion" if version else "s3:GetObject",
            place=location,
            passing=NOT_THERE,
            holding="ContentLength",
        )
    except ClientError as error:
        shown = f"{location} (version {version})" if version else location
        raise NoSuchObject(f"{shown}: no such object; it was deleted or replaced before it was read") from error
    return StoredObject(location, location, answer["ContentLength"], answer["LastModified"].astimezone(UTC), version)


def probe_object(stored: StoredObject, s3: S3Client | None = None) -> None:
    """Raise SourceError unless the object may be read; nothing is downloaded (HeadObject needs s3:GetObject)."""
    if stored.is_s3:
        stat_object(*_bucket_and_key(stored.location), s3=s3)
    elif not os.access(stored.location, os.R_OK):
        raise SourceError(f"{stored.location} cannot be read; make it readable")


def find_object(location: str, name: str, s3: S3Client | None = None) -> StoredObject | None:
    """The object at exactly this location, or None; `name` becomes its shown name."""
    if location.startswith(S3_SCHEME):
        matches = (stored for stored in _list_s3(location, s3) if stored.location == location)
        return next(matches, None)
    path = Path(location)
    return _local(path, name) if path.is_file() else None


def _list_local(root: Path) -> Iterator[StoredObject]:
    with _local_trouble(str(root)):
        if root.is_file():
            yield _local(root, root.name)
            return
        os.scandir(root).close()  # a walk would pass over a folder that cannot be read
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for file in sorted(files):
                path = Path(folder) / file
                if not _is_passed_over(file) and path.is_file():
                    yield _local(path, path.relative_to(root).as_posix())


@contextmanager
def _local_trouble(root: str) -> Iterator[None]:
    """Turn what a file system refuses while it is listed into a SourceError."""
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"{root} cannot be listed: {error.strerror or error}; make it readable, or mount it again"
        ) from error


def _local(path: Path, name: str) -> StoredObject:
    status = path.stat()
    modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
    return StoredObject(name, str(path.resolve()), status.st_size, modified_at)


def is_passed_over(key: str) -> bool:
    """Whether a key is a folder's marker, or the name of a hidden or temporary file."""
    file = key.rpartition("/")[2]
    return not file or _is_passed_over(file)


def _is_passed_over(file: str) -> bool:
    return file.startswith(".") or file.endswith(TEMPORARY_ENDINGS)


def _list_s3(root: str, s3: S3Client | None) -> Iterator[StoredObject]:
    bucket, prefix = _bucket_and_key(root)
    client = s3 or clients.s3()
    pages = iter(client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix))
    ask = partial(s3_call, partial(next, pages, None), permission="s3:ListBucket", place=root, holding="Name")
    while (page := ask()) is not None:
        for entry in page.get("Contents", []):
            location = f"{S3_SCHEME}{bucket}/{entry['Key']}"
            if not is_passed_over(entry["Key"]):
                yield StoredObject(location, location, entry["Size"], entry["LastModified"].astimezone(UTC))


def _bucket_and_key(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix(S3_SCHEME).partition("/")
    return bucket, key
