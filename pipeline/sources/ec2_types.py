"""What the EC2 API says of instance types (DescribeInstanceTypes). It is wrong in places: our seed goes before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.sources.base import ParsedDelivery
from pipeline.sources.ec2_calls import Place, listing, pages
from pipeline.sources.inventory import SOURCE

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

TABLE = "raw_instance_types"
TYPES_PER_CALL = 100
# Where an answer keeps its accelerators; the first that is there speaks.
DEVICES = (
    ("NeuronInfo", "NeuronDevices"),
    ("GpuInfo", "Gpus"),
    ("InferenceAcceleratorInfo", "Accelerators"),
)
SCHEMA = pa.schema(
    [("observed_at", pa.timestamp("us", tz="UTC"))]
    + [(name, pa.string()) for name in ("account_id", "region", "instance_type", "manufacturer", "accelerator_name")]
    + [(name, pa.int64()) for name in ("device_count", "memory_mib", "cores_per_device", "vcpu_count")]
)


def fetch(client: EC2Client, place: Place, instance_types: Sequence[str]) -> ParsedDelivery:
    """The given types as this region knows them, at most 100 a call; a type without accelerators has 0 devices."""
    name = place.name("instance-types")
    rows: list[dict[str, Any]] = []
    for start in range(0, len(instance_types), TYPES_PER_CALL):
        asked = list(instance_types[start : start + TYPES_PER_CALL])
        for page in pages(client, "describe_instance_types", "DescribeInstanceTypes", name, InstanceTypes=asked):
            rows += [_row(kind, place) for kind in page.get("InstanceTypes", [])]
    rows.sort(key=lambda row: str(row["instance_type"]))
    return listing(place, name, TABLE, SCHEMA, rows, [], SOURCE)


def _row(kind: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """One type; where it holds several kinds of device the first names them and all are counted."""
    devices: list[Mapping[str, Any]] = next(
        (kind[outer][inner] for outer, inner in DEVICES if kind.get(outer, {}).get(inner)), []
    )
    first = devices[0] if devices else {}
    return {
        "account_id": place.account_id,
        "region": place.region,
        "instance_type": kind["InstanceType"],
        "manufacturer": str(first.get("Manufacturer") or ("AWS" if "CoreInfo" in first else "")),
        "accelerator_name": str(first.get("Name") or ""),
        # a part of a GPU (g6f) counts no GPU, but one logical one
        "device_count": sum(int(device.get("Count") or device.get("LogicalGpuCount") or 0) for device in devices),
        "memory_mib": first.get("MemoryInfo", {}).get("SizeInMiB"),
        "cores_per_device": first.get("CoreInfo", {}).get("Count"),
        "vcpu_count": kind.get("VCpuInfo", {}).get("DefaultVCpus"),
    }
