"""The only reader of the environment and of chipledger.toml; below the edges values are passed, not looked up.

Order: CHIPLEDGER_* variables, then chipledger.toml in the current folder (or CHIPLEDGER_CONFIG), then the defaults.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from pipeline.allocation import Allocation
from pipeline.errors import UsageError
from pipeline.home import Home
from pipeline.prometheus_endpoints import PrometheusEndpoint

CONFIG_FILE = "chipledger.toml"
PREFIX = "CHIPLEDGER_"
MEMORY_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]i?B|%)", re.IGNORECASE)  # what DuckDB takes
WHOLE_PERCENT = 100
MOST_USD = 10**12
ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/\S+")
SECRET_WORDS = ("token", "secret", "password", "database_url")
# names that are no settings: read here, by the command line's tests, and by docker-compose.yml
COMPOSE_SECRETS = frozenset(
    f"{PREFIX}{name}" for name in ("ADMIN_PASSWORD", "API_SECRET_KEY", "FERNET_KEY", "JWT_SECRET", "POSTGRES_PASSWORD")
)
OTHER_NAMES = COMPOSE_SECRETS | {"CHIPLEDGER_CONFIG", "CHIPLEDGER_FAILPOINT"}
Listed = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Every setting, with its default. Secrets come from the environment alone."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", populate_by_name=True)

    home: Path = Field(Path("ledger"), description="folder of this ledger")
    now: datetime | None = Field(None, description="fixes the clock (ISO 8601, UTC where no offset is given)")
    inbox: Listed = Field((), description="folders or s3:// prefixes that are swept, separated by commas")
    queues: Listed = Field((), description="SQS queue URLs whose S3 notifications wake the pipeline")
    workloads: Path = Field(Path("workloads.toml"), description="attribution rules; optional")
    allocation: Allocation = Field(
        Allocation(), description="how hours and shared money divide: table [allocation], or JSON in the environment"
    )
    regions: Listed = Field((), description="AWS regions whose CloudWatch Neuron metrics are pulled; none = not pulled")
    inventory_regions: Listed = Field(
        (), description="AWS regions whose EC2 instances, types and capacity reservations are listed; none = not listed"
    )
    inventory_roles: Listed = Field((), description="ARNs of roles in other accounts whose EC2 is listed too")
    inventory_external_id: str = Field("", description="sts:ExternalId that those roles want; none = not sent")
    spot_prices: bool = Field(False, description="pull the spot price history of inventory_regions")
    cloudwatch_interval_minutes: float = Field(
        60.0, gt=0, le=1440, description="how long an answered metric is not asked for again"
    )
    cloudwatch_budget_usd_per_day: Decimal | None = Field(
        None, ge=0, description="most that CloudWatch pulls may cost per UTC day at list price; unset = no limit"
    )
    cost_explorer: bool = Field(False, description="pull Cost Explorer (0.01 USD per request)")
    cost_explorer_accounts: Listed = Field((), description="accounts to pull; none = every linked account")
    cost_explorer_interval_hours: float = Field(
        6.0, gt=0, le=744, description="how long an answered bill is not asked for again"
    )
    prometheus: tuple[PrometheusEndpoint, ...] = Field(
        (), description="Prometheus HTTP APIs that are asked: tables [[prometheus]], or a JSON list in the environment"
    )
    prometheus_token: SecretStr = Field(
        SecretStr(""), description="bearer token of the endpoints that say bearer = true, environment only"
    )
    lake_mapping: Path | None = Field(None, description="what the columns of GPU dumps mean (TOML); none = not read")
    cost_explorer_resources: bool = Field(
        False,
        description="pull the cost of each EC2 instance of the last 14 days too (turn it on in AWS, which charges)",
    )
    close_after_days: int | None = Field(
        None,
        ge=1,
        le=366,
        description="days after its end that a billing period closes by itself, once its bill is final; unset = never",
    )
    migration_cost_usd: Decimal = Field(
        Decimal(0), ge=0, le=MOST_USD, description="what moving a workload to another chip costs"
    )
    migration_costs_usd: dict[str, Decimal] = Field(
        {},
        description="the same for single workloads, by workload id or name: a TOML table, or JSON in the environment",
    )
    payback_horizon_months: int = Field(
        12, ge=1, le=120, description="months within which a move to another chip must have paid for itself"
    )
    resembles: dict[str, str] = Field(
        {}, description="published benchmark that speaks for a workload without figures of its own, by workload"
    )
    slack_channel: str = Field("", description="channel for alerts")
    slack_base_url: str = Field("https://slack.com/api/", description="Slack Web API")
    slack_token: SecretStr = Field(
        SecretStr(""), validation_alias=AliasChoices("SLACK_BOT_TOKEN"), description="SLACK_BOT_TOKEN, environment only"
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        description="PostgreSQL database of `chipledger up`, environment only; none = a cluster of its own",
    )
    memory_limit: str = Field("2GB", description="DuckDB's memory limit")
    threads: int | None = Field(None, ge=1, description="DuckDB's threads; all cores where unset")
    lock_wait_seconds: float = Field(60.0, ge=0, description="how long to wait for another writer")

    @field_validator(
        *("inbox", "queues", "regions", "inventory_regions", "inventory_roles", "cost_explorer_accounts"), mode="before"
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("prometheus")
    @classmethod
    def _one_name_each(cls, value: tuple[PrometheusEndpoint, ...]) -> tuple[PrometheusEndpoint, ...]:
        names = [endpoint.name for endpoint in value]
        if doubles := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two endpoints are called {doubles[0]}; a name says which hours were asked already")
        return value

    @field_validator("inventory_roles")
    @classmethod
    def _role_arns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if strange := [role for role in value if not ROLE_ARN.fullmatch(role)]:
            raise ValueError(f"{strange[0]!r} is no role; write arn:aws:iam::<account>:role/<name>")
        return value

    @field_validator("migration_costs_usd")
    @classmethod
    def _amounts(cls, value: dict[str, Decimal]) -> dict[str, Decimal]:
        for workload, cost in value.items():
            if not (workload and cost.is_finite() and 0 <= cost <= MOST_USD):
                raise ValueError(f"{workload!r} = {cost}: a workload and the USD that its move costs")
        return value

    @field_validator("home", mode="before")
    @classmethod
    def _is_named(cls, value: Any) -> Any:
        if value == "":
            raise ValueError("is empty; unset it (./ledger), or name a folder")
        return value

    @field_validator("now")
    @classmethod
    def _utc(cls, value: datetime | None) -> datetime | None:
        return None if value is None else as_utc(value)

    @field_validator("slack_token", "prometheus_token", mode="before")
    @classmethod
    def _header_text(cls, value: Any) -> Any:
        """What goes into an HTTP header: a line end inside would come back in an error, with the secret beside it."""
        if not isinstance(value, str):
            return value
        token = value.strip()
        if not (token.isascii() and token.isprintable() and " " not in token):
            raise ValueError("holds a space, a line end or a character beyond ASCII; copy the token again")
        return token

    @field_validator("memory_limit")
    @classmethod
    def _amount_of_memory(cls, value: str) -> str:
        amount = MEMORY_AMOUNT.fullmatch(value.strip())
        if not amount or not float(amount[1]) or (amount[2] == "%" and float(amount[1]) > WHOLE_PERCENT):
            raise ValueError(
                f"{value!r} is no amount of memory; set CHIPLEDGER_MEMORY_LIMIT to one like 2GB, 500MB or 80%"
            )
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the TOML file."""
        path = Path(os.environ.get("CHIPLEDGER_CONFIG", CONFIG_FILE))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)

    @property
    def place(self) -> Home:
        """The folders of this ledger."""
        return Home(self.home.absolute())

    @property
    def has_slack(self) -> bool:
        """A token and a channel are set."""
        return bool(self.slack_token.get_secret_value() and self.slack_channel)

    def as_environment(self) -> dict[str, str]:
        """The same settings as CHIPLEDGER_* variables, for what reads the environment itself; secrets are left out."""
        secrets, tables = {"slack_token", "database_url", "prometheus_token"}, {"prometheus", "allocation"}
        values = self.model_dump(exclude=secrets | tables)
        texts = {"home": str(self.place.root), "workloads": str(self.workloads.absolute())}
        texts |= {"lake_mapping": str(self.lake_mapping.absolute())} if self.lake_mapping else {}
        if self.allocation != Allocation():
            texts["allocation"] = self.allocation.model_dump_json(by_alias=True)
        if self.prometheus:
            texts["prometheus"] = json.dumps([endpoint.model_dump() for endpoint in self.prometheus])
        for name, value in values.items():
            if value is not None and name not in texts:
                texts[name] = _as_text(value)
        return {f"CHIPLEDGER_{name.upper()}": text for name, text in texts.items()}

    def clock(self) -> datetime:
        """The data clock: CHIPLEDGER_NOW, or the time it is, in UTC."""
        return self.now or datetime.now(UTC)


def _as_text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, dict):
        return json.dumps({key: str(part) for key, part in value.items()})
    return value.isoformat() if isinstance(value, datetime) else str(value)


def as_utc(value: datetime) -> datetime:
    """Read a naive time as UTC and turn every other one into it."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def parse_time(text: str, what: str) -> datetime:
    """An ISO 8601 time as UTC; raises UsageError naming `what` for anything else."""
    try:
        return as_utc(datetime.fromisoformat(text))
    except ValueError as error:
        raise UsageError(f"{what}: {text!r} is not a time; write 2026-11-18T00:00:00Z") from error


def parse_day(text: str, what: str) -> date:
    """A UTC day, written as a day or a time; raises UsageError naming `what` for anything else."""
    try:
        return as_utc(datetime.fromisoformat(text)).date()
    except ValueError as error:
        raise UsageError(f"{what}: {text!r} is no day; write 2026-11-14") from error


def load(**overrides: Any) -> Settings:
    """Read all settings once; raises UsageError naming each wrong one and where it came from."""
    _refuse_unknown_names(os.environ)
    if "CHIPLEDGER_CONFIG" in os.environ and not _config_path().is_file():
        raise UsageError(f"CHIPLEDGER_CONFIG: no file {_config_path()}; name one that is there, or unset it")
    _refuse_secrets_in_file()
    try:
        return _with_rules_of_sample(Settings(**overrides))
    except ValidationError as error:
        lines = "; ".join(f"{_setting_name(part['loc'])}: {part['msg']}" for part in error.errors())
        raise UsageError(f"settings: {lines} (read from CHIPLEDGER_* and {_config_path()})") from error
    except SettingsError as error:
        raise UsageError(f"settings: {error}: write a JSON list or object (read from CHIPLEDGER_*)") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{_config_path()}: not valid TOML: {error}") from error


def _with_rules_of_sample(values: Settings) -> Settings:
    """In the home of the sample fleet its own rules speak, whichever command builds, unless others are set."""
    rules = values.place.sample_rules
    is_set = "workloads" in values.model_fields_set
    return values if is_set or not rules.is_file() else values.model_copy(update={"workloads": rules})


def known_names() -> frozenset[str]:
    """Every name in the environment that means something here."""
    fields = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields if name != "slack_token"}
    return OTHER_NAMES | fields | {"SLACK_BOT_TOKEN"}


def _refuse_unknown_names(environment: Iterable[str]) -> None:
    """A misspelt setting would be as good as unset; compared without the prefix, so that SLACK_BOT_TOKEN is found."""
    short = {name.removeprefix(PREFIX): name for name in known_names()}
    given = {name.upper().removeprefix(PREFIX): name for name in environment if name.upper().startswith(PREFIX)}
    hints = []
    for unknown in sorted(given.keys() - (short.keys() - {"SLACK_BOT_TOKEN"})):
        near = get_close_matches(unknown, short, n=1, cutoff=0.0)[0]
        hints.append(f"{given[unknown]} is no setting; did you mean {short[near]}?")
    if hints:
        raise UsageError(f"environment: {' '.join(hints)} Rename or unset it; docs/operate.md lists all settings")


def _config_path() -> Path:
    return Path(os.environ.get("CHIPLEDGER_CONFIG", CONFIG_FILE))


def _setting_name(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "settings"


def _refuse_secrets_in_file() -> None:
    path = _config_path()
    if not path.is_file():
        return
    try:
        keys = {key.lower() for key in tomllib.loads(path.read_text("utf-8"))}
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    if secrets := sorted(key for key in keys if any(word in key for word in SECRET_WORDS)):
        raise UsageError(
            f"{path}: {', '.join(secrets)}: secrets belong in the environment (SLACK_BOT_TOKEN, "
            "CHIPLEDGER_PROMETHEUS_TOKEN, CHIPLEDGER_DATABASE_URL), not in a file"
        )
