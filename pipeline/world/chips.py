"""The instance types of the simulated fleet: chips, cores, memory, power and list prices.

Prices: USD per hour, us-east-1 on demand, 2026-07-20, generated list of aws/karpenter-provider-aws
(pkg/providers/pricing). trn2 has no public on-demand price: the fleet pays a rate agreed in private, invented here.
Chips and cores: aws-neuron/aws-neuron-sdk hardware pages and NVIDIA data sheets; device memory of the GPUs as the
driver reports it (MiB). Idle and top power in watts: NVIDIA data sheets, idle floors as in AcmeTrace's power CDF.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

GIB = 1024**3


@dataclass(frozen=True)
class InstanceSpec:
    """One instance type. `cores_per_device` counts physical NeuronCores (0 on GPUs); memory is per device."""

    name: str
    vendor: str
    chip: str
    devices: int
    cores_per_device: int
    memory_bytes: int
    list_usd_per_hour: Decimal | None
    vcpus: int
    host_memory_bytes: int
    model_name: str = ""
    idle_watts: float = 0.0
    top_watts: float = 0.0
    peak_core_flops: float = 0.0
    core_version: str = ""


def _neuron(name: str, chip: str, devices: int, cores: int, memory_gib: int, usd: str, host: tuple[int, int],
            chip_tflops: float, version: str) -> InstanceSpec:  # fmt: skip
    price = Decimal(usd) if usd else None
    flops = chip_tflops * 1e12 / cores
    return InstanceSpec(
        name, "neuron", chip, devices, cores, memory_gib * GIB, price, host[0], host[1] * GIB,
        peak_core_flops=flops, core_version=version,
    )  # fmt: skip


def _gpu(name: str, chip: str, devices: int, memory_mib: int, usd: str, host: tuple[int, int], model: str,
         watts: tuple[float, float]) -> InstanceSpec:  # fmt: skip
    return InstanceSpec(
        name, "nvidia", chip, devices, 0, memory_mib * 1024**2, Decimal(usd), host[0], host[1] * GIB,
        model_name=model, idle_watts=watts[0], top_watts=watts[1],
    )  # fmt: skip


SPECS: dict[str, InstanceSpec] = {
    spec.name: spec
    for spec in (
        _neuron("trn1.32xlarge", "Trainium1", 16, 2, 32, "21.50", (128, 512), 190.0, "v2"),
        _neuron("trn1.2xlarge", "Trainium1", 1, 2, 32, "1.34375", (8, 32), 190.0, "v2"),
        _neuron("trn2.48xlarge", "Trainium2", 16, 8, 96, "", (192, 2048), 667.0, "v3"),
        _neuron("trn2.3xlarge", "Trainium2", 1, 8, 96, "", (12, 128), 667.0, "v3"),
        _neuron("inf2.48xlarge", "Inferentia2", 12, 2, 32, "12.98127", (192, 768), 190.0, "v2"),
        _neuron("inf2.xlarge", "Inferentia2", 1, 2, 32, "0.7582", (4, 16), 190.0, "v2"),
        _gpu("p5.48xlarge", "H100", 8, 81559, "55.04", (192, 2048), "NVIDIA H100 80GB HBM3", (68.0, 700.0)),
        _gpu("p6-b200.48xlarge", "B200", 8, 183359, "113.9328", (192, 2048), "NVIDIA B200", (140.0, 1000.0)),
        _gpu("g6.xlarge", "L4", 1, 23034, "0.8048", (4, 16), "NVIDIA L4", (16.4, 72.0)),
        _gpu("g6.12xlarge", "L4", 4, 23034, "4.6016", (48, 192), "NVIDIA L4", (16.4, 72.0)),
    )
}

# USD per hour agreed in private: invented, stated as private in the line's description and tag.
PRIVATE_USD_PER_HOUR = {"trn2.48xlarge": Decimal("24.48"), "trn2.3xlarge": Decimal("1.53")}

# A Savings Plan's hourly rate as a share of the list price: invented, near public one-year no-upfront discounts.
SAVINGS_PLAN_SHARE = Decimal("0.72")

# A spot hour's mean price as a share of the list price: invented.
SPOT_SHARE = Decimal("0.38")

# Boxes without an accelerator: USD per hour, us-east-1 list.
CPU_BOX = ("m7i.2xlarge", Decimal("0.4032"))

# MIG profiles of an 80 GB H100 (NVIDIA MIG user guide): compute slices of 7 and memory in MiB.
MIG_PROFILES = {"4g.40gb": (4, 40448), "3g.40gb": (3, 40448), "2g.20gb": (2, 20096)}
MIG_SLICES = 7
