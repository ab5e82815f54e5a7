"""The GPU fleet of the marts benchmark: which hosts it has, and what is peculiar to each.

Every host has 8 GPUs, scraped once a minute. By turns hosts train (a gang of pods), serve (a pod per GPU, replaced
daily), run Slurm jobs by day, and are a lab: two GPUs between two pods each (rows copied, as dcgm-exporter does), one
free. Beside that each host has its own trouble, by its number; the functions of Fleet say which.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.sources.base import DeliveryInfo

START_AT = datetime(2026, 10, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
GPUS, MINUTES = 8, 60
# when some hosts are terminated, and another instance gets their name; minutes from START_AT
ENDED_MINUTE, REPLACED_MINUTE = (12 * 24 + 6) * MINUTES + 18, (12 * 24 + 6) * MINUTES + 21
MIG_MINUTE = (3 * 24 + 12) * MINUTES + 31  # when MIG is switched on where it was off before
UUID_HOUR = 2 * 24  # until then the older exporter of some hosts gives no UUID
UNBILLED_HOURS = 12  # the bill ends so long before the telemetry


@dataclass(frozen=True)
class Fleet:
    """How many hosts, over how many days from START_AT."""

    hosts: int
    days: int = 30

    @property
    def accelerator_minutes(self) -> int:
        """Device rows without copies, MIG instances and gaps."""
        return self.hosts * GPUS * self.days * 24 * MINUTES

    def dns_name(self, host: int) -> str:
        return f"ip-10-{host // 250}-{host % 250}-17.ec2.internal"

    def label(self, host: int, minute: int) -> str:
        """How the exporter names its host: by its DNS name, the first part of it, or the instance id."""
        if host % 16 == 9:
            return self.instance_id(host, minute)
        return self.dns_name(host).partition(".")[0] if host % 16 == 1 else self.dns_name(host)

    def instance_id(self, host: int, minute: int) -> str:
        """The instance that bears the host's name; every eighth host is replaced."""
        is_second = host % 8 == 4 and minute >= REPLACED_MINUTE
        return f"i-{host + 1 + 0x10000 * is_second:017x}"

    def board(self, host: int, minute: int) -> int:
        """Whose GPUs are in the host: the second instance runs on another board, or on the same one."""
        return host + 10_000 * (host % 16 == 4 and minute >= REPLACED_MINUTE)

    def is_inventoried(self, host: int) -> bool:
        """Whether the inventory tells of the host: of one in sixteen it does not, nor what its name means."""
        return host % 16 != 2

    def mig_gpu(self, host: int, minute: int) -> int:
        """The GPU that MIG divides, -1 for none."""
        if host % 8 == 3:
            return 6 if minute >= MIG_MINUTE else -1
        return 5 if host % 16 == 7 else -1


def gpu_uuid(board: int, gpu: int) -> str:
    return f"GPU-{board:08x}-5d2a-4c1b-9e3f-{gpu + 1:012x}"


def info_of(source: str, name: str, observed_at: datetime, *, time_guessed: bool = False, **more: Any) -> DeliveryInfo:
    return DeliveryInfo(
        source=source,
        object=name,
        content_sha256=hashlib.sha256(name.encode()).hexdigest(),
        observed_at=observed_at,
        time_guessed=time_guessed,
        delivered_at=observed_at,
        **more,
    )
