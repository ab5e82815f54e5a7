"""How fast dcgm-exporter text becomes Arrow batches, beside prometheus_client's parser, each in a child process.

Run by hand: python bench/dcgm_parse.py   (writes about 300 MB to a temporary folder, takes about half a minute)
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOSTS, GPUS, METRICS = 50, 8, 25
SAMPLES = 1_000_000
PEER_SAMPLES = 100_000
NEEDED_RATIO, NEEDED_PEAK_MIB = 40.0, 250.0
STORED = (
    *("GPU_UTIL", "MEM_COPY_UTIL", "POWER_USAGE", "TOTAL_ENERGY_CONSUMPTION", "GPU_TEMP", "MEMORY_TEMP", "FB_USED"),
    *("FB_FREE", "FB_RESERVED", "FB_TOTAL", "XID_ERRORS", "ECC_DBE_VOL_TOTAL", "ECC_SBE_VOL_TOTAL"),
)
UNSTORED = ("SM_CLOCK", "MEM_CLOCK", "ENC_UTIL", "DEC_UTIL", "PCIE_REPLAY_COUNTER", "VGPU_LICENSE_STATUS")
PROFILED = ("GR_ENGINE_ACTIVE", "SM_ACTIVE", "SM_OCCUPANCY", "PIPE_TENSOR_ACTIVE", "DRAM_ACTIVE", "PCIE_TX_BYTES")
NAMES = [*(f"DCGM_FI_DEV_{name}" for name in STORED + UNSTORED), *(f"DCGM_FI_PROF_{name}" for name in PROFILED)]


def write_scrapes(path: Path, samples: int) -> int:
    """Scrapes of 400 GPUs, host by host as exporters print them; 800 distinct label strings. Returns the lines.

    Seven of the 25 metrics are not stored; each host repeats HELP and TYPE.
    """
    lines = written = scrape = 0
    with path.open("w") as out:
        while written < samples:
            for host in range(HOSTS):
                for number, name in enumerate(NAMES):
                    out.write(f"# HELP {name} {name.lower()} of the device.\n# TYPE {name} gauge\n")
                    for gpu in range(GPUS):
                        out.write(f"{name}{{{labels(host, gpu, job=number % 2)}}} {scrape * 7 % 100}.{number:06d}\n")
                    lines, written = lines + 2 + GPUS, written + GPUS
                if written >= samples:
                    break
            scrape += 1
    return lines


def write_shuffled(source: Path, path: Path) -> None:
    """The same samples with each scrape in an order of its own, as no exporter prints: the slower way of reading."""
    order = random.Random(0)
    scrape = HOSTS * METRICS * (GPUS + 2)
    with source.open() as lines, path.open("w") as out:
        while chunk := list(islice(lines, scrape)):
            order.shuffle(chunk)
            out.writelines(chunk)


def labels(host: int, gpu: int, job: int) -> str:
    """A label string of the length a Kubernetes node prints."""
    return (
        f'gpu="{gpu}",UUID="GPU-{host:08x}-7930-ae20-3fc6-{gpu:012x}",pci_bus_id="00000000:{gpu:02X}:00.0",'
        f'device="nvidia{gpu}",modelName="NVIDIA H100 80GB HBM3",Hostname="ip-10-0-{host}-17.ec2.internal",'
        f'DCGM_FI_DRIVER_VERSION="580.105.08",container="train",namespace="team-{host % 7}",pod="llm-{host}-{job}"'
    )


def read_ours(path: Path) -> Callable[[], int]:
    """A run that counts the rows of the finished record batches (the delivery's content hash is taken before it)."""
    sys.path.insert(0, str(ROOT))
    from datetime import UTC, datetime

    import pyarrow.compute  # noqa: F401

    from pipeline.sources.base import IngestOptions, Seeds, SourceObject
    from pipeline.sources.dcgm import read

    options = IngestOptions(observed_at=datetime(2026, 11, 1, tzinfo=UTC))
    delivery = read(SourceObject("bench.prom", path), options, Seeds(ROOT / "sql" / "seeds"))

    def run() -> int:
        rows = sum(batch.num_rows for table, batch in delivery.batches if table == "raw_dcgm_samples")
        assert not delivery.rejects, delivery.rejects[:3]
        return rows

    return run


def read_peer(path: Path) -> Callable[[], int]:
    """A run that counts the samples of prometheus_client's text parser, which reads the same lines."""
    from prometheus_client.parser import text_fd_to_metric_families

    def run() -> int:
        with path.open() as text:
            return sum(len(family.samples) for family in text_fd_to_metric_families(text))

    return run


READERS: dict[str, Callable[[Path], Callable[[], int]]] = {"chipledger": read_ours, "prometheus_client": read_peer}


def measure(reader: str, path: Path) -> dict[str, float]:
    """CPU seconds, wall seconds and peak MiB of one reader in a child of its own."""
    command = [sys.executable, __file__, "--child", reader, "--file", str(path)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def child(reader: str, path: Path) -> None:
    """Time one reading and print it as JSON; imports are outside the clock for both."""
    run = READERS[reader](path)
    cpu, wall = time.process_time(), time.perf_counter()
    found = run()
    used = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "found": float(found)}
    used["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(used))


def main() -> int:
    """Measure both and print a table; 1 when a bar is missed."""
    with tempfile.TemporaryDirectory() as folder:
        whole, part = Path(folder) / "whole.prom", Path(folder) / "part.prom"
        lines, part_lines = write_scrapes(whole, SAMPLES), write_scrapes(part, PEER_SAMPLES)
        ours, peer = measure("chipledger", whole), measure("prometheus_client", part)
        shuffled = Path(folder) / "shuffled.prom"
        write_shuffled(whole, shuffled)
        unordered = measure("chipledger", shuffled)
        size = whole.stat().st_size / 1e6
    ratio = (peer["cpu"] / part_lines) / (ours["cpu"] / lines)
    print(f"{lines:,} lines, {SAMPLES:,} samples, {size:.0f} MB (prometheus_client: {part_lines:,} lines)")
    print(f"{'reader':<20}{'CPU s':>8}{'wall s':>8}{'lines/CPU-s':>14}{'peak MiB':>10}{'x peer':>8}")
    rows = [
        ("prometheus_client", peer, part_lines),
        ("chipledger", ours, lines),
        ("  lines shuffled", unordered, lines),
    ]
    for name, used, count in rows:
        speed = (peer["cpu"] / part_lines) / (used["cpu"] / count)
        rate = count / used["cpu"]
        print(f"{name:<20}{used['cpu']:>8.2f}{used['wall']:>8.2f}{rate:>14,.0f}{used['peak_mib']:>10.0f}{speed:>8.1f}")
    missed = ratio < NEEDED_RATIO or ours["peak_mib"] > NEEDED_PEAK_MIB
    print(f"bars: ≥ {NEEDED_RATIO:.0f} x, ≤ {NEEDED_PEAK_MIB:.0f} MiB: {'missed' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", choices=sorted(READERS))
    parser.add_argument("--file", type=Path)
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.child, chosen.file)
    else:
        sys.exit(main())
