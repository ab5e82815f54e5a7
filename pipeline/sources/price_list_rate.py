"""One rate of a price list, whatever format it came in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

IsWanted: TypeAlias = Callable[[Mapping[str, str]], bool]
OnReject: TypeAlias = Callable[[int, str, str], None]

_OTHER = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Rate:
    """A price dimension as AWS words it; `line_number` is 0 where the format has no lines."""

    rate_code: str
    sku: str
    offer_term_code: str
    term_type: str
    effective: str
    instance_type: str
    region: str
    market_option: str
    lease: str
    purchase_option: str
    offering_class: str
    unit: str
    price: str
    currency: str
    line_number: int = 0


def normal_name(name: str) -> str:
    """The name of an attribute as both formats share it: `Pre Installed S/W` and `preInstalledSw` are one."""
    return _OTHER.sub("", name.lower())
