"""How fast neuron-monitor NDJSON becomes Arrow batches, beside json.loads and a plain loop, each in a child process.

Run by hand: python bench/neuron_parse.py [a report in JSON]   (about 100 MB of reports in a temporary folder)
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RUNTIMES, CORES, MODELS, REPORTS = 32, 32, 12, 240
NEEDED_MB_PER_CPU_SECOND = 50.0
NO_FLOPS = {"flops": 0, "effective_flops": 0}
PARTS = ("constants", "model_code", "model_shared_scratchpad", "runtime_memory", "tensors")


def report(number: int) -> dict[str, Any]:
    """A report of a trn1.32xlarge in the shape of the capture: every runtime tells of every core."""
    names = [str(core) for core in range(CORES)]
    runtimes = []
    for runtime in range(RUNTIMES):
        busy = {
            name: {"neuroncore_utilization": (number * 7 + core) % 100 + 0.25 if core == runtime else 0, **NO_FLOPS}
            for core, name in enumerate(names)
        }
        held = {name: dict.fromkeys(PARTS, 1_007_473_416 * (core == runtime)) for core, name in enumerate(names)}
        used = {"host": 7191684, "neuron_device": 5037367080, "usage_breakdown": {"neuroncore_memory_usage": held}}
        models = [model(runtime, copy) for copy in range(MODELS)]
        groups = {
            "execution_stats": {"period": 5.0, "execution_summary": {"completed": number}, "error": ""},
            "memory_used": {"period": 5.0, "neuron_runtime_used_bytes": used, "loaded_models": models, "error": ""},
            "neuroncore_counters": {"period": 5.0, "neuroncores_in_use": busy, "error": ""},
        }
        runtimes.append({"pid": 1000 + runtime, "neuron_runtime_tag": "train", "error": "", "report": groups})
    return {
        "neuron_runtime_data": runtimes,
        "system_data": {"memory_info": {"period": 5.0, "memory_total_bytes": 532523487232, "error": ""}},
        "instance_info": {"instance_id": "i-0abc", "instance_type": "trn1.32xlarge", "error": ""},
        "neuron_hardware_info": {"neuron_device_count": 16, "neuroncore_per_device_count": 2, "error": ""},
    }


def model(core: int, copy: int) -> dict[str, Any]:
    """One loaded model of a runtime, as long as the capture's."""
    parts = dict.fromkeys(PARTS[:4], 60_999_232)
    held = {"host": 544_768, "neuron_device": 61_163_072, "usage_breakdown": {"host": parts, "neuron_device": parts}}
    subgraphs = {"sg_00": {"memory_used_bytes": held, "neuroncore_index": core, "neuron_device_index": core // 2}}
    name = f"/tmp/neuroncc_compile_workdir/{core:08x}-78e0-4e01-b382-{copy:012x}/model.MODULE_{copy:018d}+c7db2df4.neff"
    return {
        "name": name,
        "uuid": f"{copy:032x}",
        "model_id": 10_000 + copy,
        "is_running": False,
        "subgraphs": subgraphs,
    }


def write_reports(path: Path, capture: Path | None) -> None:
    """NDJSON of REPORTS synthetic reports, or of the same captured one again and again."""
    captured = next(iter(json.loads(capture.read_text()).values())) if capture else None
    with path.open("w") as out:
        for number in range(REPORTS):
            out.write(json.dumps(captured or report(number), separators=(",", ":")) + "\n")


def read_ours(path: Path) -> Callable[[], int]:
    """A run that counts the core rows of the finished record batches."""
    sys.path.insert(0, str(ROOT))
    from datetime import UTC, datetime

    import pandas  # noqa: F401  pyarrow imports it at the first array

    from pipeline.sources.base import IngestOptions, Seeds, SourceObject
    from pipeline.sources.neuron_monitor import read

    options = IngestOptions(observed_at=datetime(2026, 11, 1, tzinfo=UTC))
    delivery = read(SourceObject("bench.ndjson", path), options, Seeds(ROOT / "sql" / "seeds"))
    return lambda: sum(batch.num_rows for table, batch in delivery.batches if table == "raw_neuron_cores")


def read_peer(path: Path) -> Callable[[], int]:
    """A run that makes the same core rows the plain way: json.loads, a dict a row, Arrow from the list of dicts."""
    import pandas  # noqa: F401
    import pyarrow as pa

    def run() -> int:
        rows: list[dict[str, Any]] = []
        with path.open() as lines:
            for number, line in enumerate(lines):
                for runtime in json.loads(line)["neuron_runtime_data"]:
                    groups = runtime["report"]
                    used = groups["memory_used"]["neuron_runtime_used_bytes"]
                    held = used["usage_breakdown"]["neuroncore_memory_usage"]
                    for core, use in groups["neuroncore_counters"]["neuroncores_in_use"].items():
                        row = {"report": number, "pid": runtime["pid"], "tag": runtime["neuron_runtime_tag"]}
                        row |= {"core": int(core), "busy": float(use["neuroncore_utilization"])}
                        row |= {"flops": float(use["flops"]), "bytes": sum(held.get(core, {}).values())}
                        rows.append(row)
        return int(pa.RecordBatch.from_pylist(rows).num_rows)

    return run


READERS: dict[str, Callable[[Path], Callable[[], int]]] = {"chipledger": read_ours, "json.loads + loop": read_peer}


def child(reader: str, path: Path) -> None:
    """Time one reading and print it as JSON; imports are outside the clock for both."""
    run = READERS[reader](path)
    cpu, wall = time.process_time(), time.perf_counter()
    found = run()
    used = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "found": float(found)}
    used["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(used))


def measure(reader: str, path: Path) -> dict[str, float]:
    """CPU seconds, wall seconds and peak MiB of one reader in a child of its own."""
    command = [sys.executable, __file__, "--child", reader, "--file", str(path)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def main(capture: Path | None) -> int:
    """Measure both and print a table; 1 when the bar is missed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reports.ndjson"
        write_reports(path, capture)
        size = path.stat().st_size / 1e6
        measured = {name: measure(name, path) for name in reversed(READERS)}
    peer = measured["json.loads + loop"]
    print(f"{REPORTS} reports, {size:.0f} MB, {measured['chipledger']['found']:,.0f} runtime × core rows")
    print(f"{'reader':<20}{'CPU s':>8}{'wall s':>8}{'MB/CPU-s':>10}{'peak MiB':>10}{'x peer':>8}")
    for name, used in measured.items():
        rate, times = size / used["cpu"], peer["cpu"] / used["cpu"]
        print(f"{name:<20}{used['cpu']:>8.2f}{used['wall']:>8.2f}{rate:>10.0f}{used['peak_mib']:>10.0f}{times:>8.1f}")
    missed = size / measured["chipledger"]["cpu"] < NEEDED_MB_PER_CPU_SECOND
    print(f"bar: ≥ {NEEDED_MB_PER_CPU_SECOND:.0f} MB per CPU-second: {'missed' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture", type=Path, nargs="?", help="a captured report to repeat instead of synthetic ones")
    parser.add_argument("--child", choices=sorted(READERS))
    parser.add_argument("--file", type=Path)
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.child, chosen.file)
    else:
        sys.exit(main(chosen.capture))
