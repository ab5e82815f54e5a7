"""What the columns of GPU dumps mean: the TOML file of the setting `lake_mapping`."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.errors import UsageError
from pipeline.sources.lake_units import RAW_UNITS, factor

# what identifies a row, under the name that the exporter's label has
LABELS: Final = {
    "hostname": "hostname",
    "gpu_index": "gpu",
    "device": "device",
    "gpu_uuid": "UUID",
    "gpu_instance_id": "GPU_I_ID",
    "gpu_instance_profile": "GPU_I_PROFILE",
    "model_name": "modelName",
    "pod": "exported_pod",
    "namespace": "exported_namespace",
    "container": "exported_container",
    "pod_uid": "exported_pod_uid",
    "hpc_job": "hpc_job",
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Time(_Part):
    """`format`: iso, s, ms, us, ns since 1970, or a strptime pattern; `zone` holds for times without an offset."""

    column: str
    format: str = "iso"
    zone: str = "UTC"

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is no time zone; write one like UTC or America/Los_Angeles") from error
        return value


class Label(_Part):
    """A column that names the device or its owner, or one value for all rows."""

    column: str = ""
    value: str = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> Label:
        if bool(self.column) == bool(self.value):
            raise ValueError("give either a column or a value")
        return self


class Measure(_Part):
    """Where a measure stands: a column, or (long form) a name; values are multiplied by `scale`, or are in `unit`."""

    column: str = ""
    name: str = ""
    scale: float = Field(1.0, gt=0)
    unit: str = ""


class Long(_Part):
    """One row per measure: the column of its name and the column of its value."""

    name: str
    value: str


class Columns(_Part):
    """One column per device: a pattern over column names whose groups are labels, and the one measure they hold."""

    pattern: str
    measure: str
    scale: float = Field(1.0, gt=0)
    unit: str = ""

    @field_validator("pattern")
    @classmethod
    def _names_labels(cls, value: str) -> str:
        try:
            groups = re.compile(value).groupindex
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from error
        if not groups or groups.keys() - LABELS.keys():
            raise ValueError(f"its groups must be named as labels are: (?P<gpu_uuid>…); known are {', '.join(LABELS)}")
        return value


def _as_column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class _Document(_Part):
    time: Annotated[Time, BeforeValidator(_as_column)]
    labels: dict[str, Annotated[Label, BeforeValidator(_as_column)]] = {}
    measures: dict[str, Annotated[Measure, BeforeValidator(_as_column)]] = {}
    long: Long | None = None
    columns: Columns | None = None
    missing: tuple[str, ...] = ("", "NaN", "nan", "null", "NULL", "None", "N/A", "\\N")
    cadence_seconds: int = Field(30, ge=1, le=86_400)

    @model_validator(mode="after")
    def _means_something(self) -> _Document:
        if unknown := sorted(self.labels.keys() - LABELS.keys()):
            raise ValueError(f"labels.{unknown[0]} is no label; known are {', '.join(LABELS)}")
        given: dict[str, Measure | Columns] = {**self.measures}
        given |= {self.columns.measure: self.columns} if self.columns else {}
        for name, one in given.items():
            if name not in RAW_UNITS:
                raise ValueError(f"measures.{name} is no measure; known are {', '.join(RAW_UNITS)}")
            if one.unit and one.scale != 1.0:
                raise ValueError(f"measures.{name}: give a scale or a unit, not both")
            if one.unit:
                factor(one.unit, name)
            if isinstance(one, Measure) and bool(one.name) != bool(self.long):
                raise ValueError(f"measures.{name}: give {'its name' if self.long else 'a column'}")
        if not given and not self.long:
            raise ValueError("it maps no measure: add [measures], [long] or [columns]")
        if not self.columns and not self.labels.keys() & {"gpu_uuid", "gpu_index", "device"}:
            raise ValueError("nothing says which GPU a row is of: add labels.gpu_uuid, gpu_index or device")
        return self


@dataclass(frozen=True)
class LakeMapping:
    """A mapping file: its place, what it says, and since when; another text makes another delivery of each dump."""

    path: Path
    document: _Document = field(repr=False)
    text: bytes = field(repr=False)
    modified_at: datetime

    @cached_property
    def sha256(self) -> str:
        """What tells this text from another."""
        return hashlib.sha256(self.text).hexdigest()

    @property
    def needed_columns(self) -> dict[str, str]:
        """Columns that a dump must have → what the mapping names them for; measures may be absent."""
        said = self.document
        needed = {said.time.column: "time"}
        needed |= {one.column: f"labels.{name}" for name, one in said.labels.items() if one.column}
        return needed | ({said.long.name: "long.name", said.long.value: "long.value"} if said.long else {})

    def fits(self, columns: list[str]) -> bool:
        """Whether a table with these columns has all that the mapping needs."""
        return self.needed_columns.keys() <= set(columns)


def scale_of(measure: Measure | Columns, name: str) -> float:
    """What values are multiplied by to be in the unit of raw_dcgm_samples."""
    return factor(measure.unit, name) if measure.unit else measure.scale


def read_mapping(path: Path) -> LakeMapping:
    """Read a mapping file; raises UsageError naming the file, the key and what is wrong with it."""
    try:
        text = path.read_bytes()
        said: Mapping[str, Any] = tomllib.loads(text.decode())
        modified_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return LakeMapping(path, _Document.model_validate(said), text, modified_at)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; CHIPLEDGER_LAKE_MAPPING names the file that maps dumps") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'file'}: {_words(one['msg'])}" for one in error.errors())
        raise UsageError(f"{path}: {wrong}; docs/sources.md shows a mapping") from error


def _words(message: str) -> str:
    return message.removeprefix("Value error, ")
