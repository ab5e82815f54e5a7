"""Which Prometheus HTTP APIs are asked, and for what: the shape of the setting `prometheus`."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SECONDS_PER_HOUR = 3600
QUERY_PATH = re.compile(r"/api/v1(/query(_range)?)?/*$|/+$")
REGION_IN_HOST = re.compile(r"^(?:aps-workspaces|monitoring)\.([a-z0-9-]+)\.")
SERVICES = {"amp": "aps", "cloudwatch": "monitoring"}


class PrometheusEndpoint(BaseModel):
    """One API. `kind` decides signing, limits and scales; a name or a URL never does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="names its deliveries: small letters, digits, - _")
    url: str = Field(description="up to, not including, /api/v1")
    kind: Literal["prometheus", "amp", "cloudwatch"] = "prometheus"
    ask: Literal["both", "dcgm", "neuron"] = "both"
    region: str = Field("", description="for signing; read from an AWS host name where unset")
    bearer: bool = Field(False, description="send CHIPLEDGER_PROMETHEUS_TOKEN to this endpoint")
    step_seconds: int = Field(60, ge=1, le=SECONDS_PER_HOUR, description="spacing of samples, a divisor of 3600")
    history_hours: int = Field(24, ge=1, le=24 * 455, description="how far back is asked for what is not there yet")
    lag_seconds: int = Field(300, ge=0, le=86_400, description="how long a sample may take to arrive there")

    @field_validator("url")
    @classmethod
    def _base(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.username or parts.password:
            raise ValueError(
                "no name or password belongs into a url; set bearer = true and CHIPLEDGER_PROMETHEUS_TOKEN"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            shown = value.partition("?")[0]  # what follows may be a token
            raise ValueError(f"{shown!r} is no http(s) address, or a query follows it: end it before /api/v1")
        return QUERY_PATH.sub("", value)

    @field_validator("step_seconds")
    @classmethod
    def _divides_an_hour(cls, value: int) -> int:
        if SECONDS_PER_HOUR % value:
            raise ValueError(f"step_seconds = {value} does not divide 3600")
        return value

    @model_validator(mode="after")
    def _signs_with_a_region(self) -> PrometheusEndpoint:
        if self.kind in SERVICES and not self.signing_region:
            raise ValueError(f"{self.name}: set region, its host names none")
        if self.bearer and self.kind in SERVICES:
            raise ValueError(f"{self.name}: {self.kind} is signed with AWS credentials; drop bearer")
        return self

    @property
    def signing_region(self) -> str:
        """The region of the signature."""
        found = REGION_IN_HOST.match(urlsplit(self.url).hostname or "")
        return self.region or (found[1] if found else "")

    @property
    def service(self) -> str:
        """The service of the signature, '' for a plain Prometheus."""
        return SERVICES.get(self.kind, "")

    @property
    def range_url(self) -> str:
        """Where range queries go."""
        return f"{self.url}/api/v1/query_range"
