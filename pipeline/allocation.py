"""How an instance-hour divides among workloads, and how money without an owner is spread: the setting `allocation`.

A policy speaks for a whole instance family; docs/decisions/010 says what each means:

    [allocation]
    default = "accelerator_only"
    families = { g6 = "opencost", p5 = "scad" }

    [allocation.distribute]
    shared = "weighted"
    "idle.unallocated" = "weighted"
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.errors import UsageError

Policy = Literal["accelerator_only", "mig_slices", "scad", "opencost"]
Method = Literal["separate", "even", "weighted"]
Receives = Literal["pods", "idle"]
Price = Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=10)]
SettingRow = tuple[str, str, str]

# what one unit of each resource (device, vCPU, GiB) counts in AWS's split cost allocation
SCAD_WEIGHTS = {"accelerator": Decimal(9), "vcpu": Decimal("0.9"), "memory": Decimal("0.1")}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Scad(_Part):
    """AWS's split cost allocation; the unused part of an instance goes to its pods, or stays idle."""

    unused: Receives = "pods"


class OpenCost(_Part):
    """The prices that OpenCost puts on what a node holds (its configs/default.json): only their ratio matters."""

    accelerator_usd_per_hour: Price = Decimal("0.95")
    vcpu_usd_per_hour: Price = Decimal("0.031611")
    memory_usd_per_gib_hour: Price = Decimal("0.004237")


class Distribute(_Part):
    """What of the day's money without an owner is spread over its workloads; nothing, where unset."""

    shared: Method = "separate"
    idle_unallocated: Method = Field(default="separate", alias="idle.unallocated")
    idle_reserved_unused: Method = Field(default="separate", alias="idle.reserved_unused")
    adjustment: Method = "separate"
    over: Literal["cluster", "account", "all"] = Field(default="cluster", description="whose workloads receive")
    shared_namespaces: tuple[str, ...] = ()
    shared_labels: dict[str, str] = Field(default={}, description="pod label to value")
    shared_workloads: Literal["even", "weighted"] = "weighted"
    overhead_usd_per_hour: Decimal = Field(default=Decimal(0), ge=0, le=1_000_000, decimal_places=10)
    overhead: Literal["even", "weighted"] = "weighted"

    @field_validator("shared_labels")
    @classmethod
    def _keys(cls, value: dict[str, str]) -> dict[str, str]:
        if strange := [key for key in value if not key or '"' in key]:
            raise ValueError(f"{strange[0]!r} is no label key")
        return value


class Allocation(_Part):
    """Which policy divides the hours of which instance family, and what is distributed afterwards."""

    default: Policy = "accelerator_only"
    families: dict[str, Policy] = Field(default={}, description="instance family (p5, trn2, g6 …) to policy")
    scad: Scad = Scad()
    opencost: OpenCost = OpenCost()
    distribute: Distribute = Distribute()

    def rows(self, known_families: Collection[str]) -> list[SettingRow]:
        """(setting, subject, value) for raw_allocation_settings, sorted.

        Raises UsageError for a family of which no accelerated instance type is known.
        """
        for family in self.families:
            if family not in known_families:
                near = get_close_matches(family, known_families, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise UsageError(
                    f"settings: allocation.families: {family!r} is no family of accelerated instances; {hint}"
                    f"known are {', '.join(sorted(known_families))}"
                )
        return sorted([*self._policy_rows(), *_distribution_rows(self.distribute)])

    def _policy_rows(self) -> list[SettingRow]:
        prices = self.opencost
        opencost = {
            "accelerator": prices.accelerator_usd_per_hour,
            "vcpu": prices.vcpu_usd_per_hour,
            "memory": prices.memory_usd_per_gib_hour,
        }
        return [
            ("policy", "", self.default),
            *(("policy", family, policy) for family, policy in self.families.items()),
            *((f"weight.scad.{self.scad.unused}", name, _plain(weight)) for name, weight in SCAD_WEIGHTS.items()),
            *(("weight.opencost.idle", name, _plain(weight)) for name, weight in opencost.items()),
        ]


def _distribution_rows(wanted: Distribute) -> list[SettingRow]:
    """Only what is distributed has rows."""
    methods = {
        "shared": wanted.shared,
        "idle.unallocated": wanted.idle_unallocated,
        "idle.reserved_unused": wanted.idle_reserved_unused,
        "adjustment": wanted.adjustment,
        "workload": wanted.shared_workloads if wanted.shared_namespaces or wanted.shared_labels else "separate",
        "overhead": wanted.overhead if wanted.overhead_usd_per_hour else "separate",
    }
    rows: list[SettingRow] = [("distribute", what, how) for what, how in methods.items() if how != "separate"]
    rows += [("over", "", wanted.over)] if rows else []
    rows += [("shared_namespace", name, "") for name in sorted(set(wanted.shared_namespaces))]
    rows += [("shared_label", key, value) for key, value in wanted.shared_labels.items()]
    if wanted.overhead_usd_per_hour:
        rows.append(("overhead_usd_per_hour", "", _plain(wanted.overhead_usd_per_hour)))
    return rows


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
