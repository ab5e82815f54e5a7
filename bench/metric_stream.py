"""How fast metric-stream JSON becomes Arrow batches, beside an orjson loop per line, each in a child process.

Run by hand: python bench/metric_stream.py   (about 100 MB of datapoints in a temporary folder, plain and gzip)

Both give the same rows: the one dimension set per fact that is read, the mean of a datapoint as sum over count.
`delivered` is a stream as AWS sends it, every fact under each of its dimension sets; `finest` holds only lines that
are read, which no real stream does: it shows the parse alone.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
NODES, CORES, START_MS = 24, 64, 1_795_370_400_000
NEEDED_RATIO = 2.5
POD = ("ClusterName", "Namespace", "PodName")
CORE = ("NeuronDevice", "NeuronCore")
SETS = {
    "node": (
        ("ClusterName",),
        ("ClusterName", "InstanceId", "NodeName"),
        ("ClusterName", "InstanceType", "InstanceId", "NodeName", *CORE),
    ),
    "pod": (("ClusterName",), ("ClusterName", "Namespace"), POD, (*POD, "FullPodName"), (*POD, "FullPodName", *CORE)),
    "container": (
        ("ClusterName",),
        (*POD, "ContainerName"),
        (*POD, "ContainerName", "FullPodName"),
        (*POD, "ContainerName", "FullPodName", *CORE),
    ),
}
READ = {
    "node_neuroncore_utilization": set(SETS["node"][-1]),
    "node_neuroncore_memory_usage_total": set(SETS["node"][-1]),
    "container_neuroncore_utilization": set(SETS["container"][-1]),
}


def datapoints(mix: str) -> Iterator[dict[str, Any]]:
    """One minute of every node and core after the other, as one agent after the other publishes them."""
    for minute in range(8):
        for node in range(NODES):
            for core in range(CORES):
                yield from _of_core(minute, node, core, mix)


def _of_core(minute: int, node: int, core: int, mix: str) -> Iterator[dict[str, Any]]:
    labels = {"ClusterName": "aspen-train", "Namespace": "ml", "PodName": "llama", "ContainerName": "main"}
    labels |= {"FullPodName": f"llama-{node}-x7k2p", "InstanceId": f"i-0{node:016x}", "InstanceType": "trn2.48xlarge"}
    labels |= {"NodeName": f"ip-10-1-0-{node}.ec2.internal"}
    labels |= {"NeuronDevice": f"device{core // 4}", "NeuronCore": f"core{core}"}
    value = round(17.3 + (minute * 31 + node * 7 + core * 13) % 80 + core / 7, 3)
    for scope, sets in SETS.items():
        for measure, unit in (("utilization", "Percent"), ("memory_usage_total", "Bytes")):
            name = f"{scope}_neuroncore_{measure}"
            for names in sets:
                if mix == "delivered" or READ.get(name) == set(names):
                    yield {
                        "metric_stream_name": "fleet", "account_id": "111122223333", "region": "us-west-2",
                        "namespace": "ContainerInsights", "metric_name": name,
                        "dimensions": {each: labels[each] for each in names},
                        "timestamp": START_MS + 60_000 * minute,
                        "value": {"max": value, "min": value, "sum": value, "count": 1.0}, "unit": unit,
                    }  # fmt: skip


def write_stream(path: Path, mix: str) -> int:
    """Write the datapoints, gzip where the name says so; gives their number."""
    lines = [json.dumps(point, separators=(",", ":")) for point in datapoints(mix)]
    text = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(text, 6) if path.suffix == ".gz" else text)
    return len(lines)


def read_ours(path: Path) -> Callable[[], int]:
    """A run that counts the rows of the finished record batches."""
    sys.path.insert(0, str(ROOT))
    from datetime import UTC, datetime

    import pandas  # noqa: F401  both pay its import outside the clock

    from pipeline.sources.base import IngestOptions, Seeds, SourceObject
    from pipeline.sources.cloudwatch_rows import TABLE
    from pipeline.sources.metric_stream import read

    obj = SourceObject("bench", path, datetime(2026, 11, 22, tzinfo=UTC))
    delivery = read(obj, IngestOptions(), Seeds(ROOT / "sql" / "seeds"))
    return lambda: sum(len(rows) for table, rows in delivery.batches if table == TABLE)


def read_peer(path: Path) -> Callable[[], int]:
    """A run that makes the same rows the plain way: orjson.loads and a dict a row, Arrow from the list of dicts."""
    import orjson
    import pandas  # noqa: F401
    import pyarrow as pa

    def run() -> int:
        rows: list[dict[str, Any]] = []
        with _open(path) as lines:
            for line in lines:
                point = orjson.loads(line)
                if READ.get(point["metric_name"]) == point["dimensions"].keys():
                    value = point["value"]
                    row = {name: point[name] for name in ("account_id", "region", "namespace", "metric_name")}
                    row |= {"start_ms": point["timestamp"], "value": value["sum"] / value["count"]}
                    rows.append(row | point["dimensions"])
        return int(pa.RecordBatch.from_pylist(rows).num_rows)

    return run


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


READERS: dict[str, Callable[[Path], Callable[[], int]]] = {"chipledger": read_ours, "orjson loop": read_peer}


def child(reader: str, path: Path) -> None:
    """Time one reading and print it as JSON; imports are outside the clock for both."""
    run = READERS[reader](path)
    cpu = time.process_time()
    found = run()
    print(json.dumps({"cpu": time.process_time() - cpu, "found": found}))


def measure(reader: str, path: Path) -> dict[str, float]:
    """CPU seconds of one reader in a child of its own: the best of three."""
    command = [sys.executable, __file__, "--child", reader, "--file", str(path)]
    results = [json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(3)]
    best: dict[str, float] = min(results, key=lambda result: result["cpu"])
    return best


def main() -> int:
    """Measure both and print a table; 1 when the bar is missed."""
    missed = False
    print(f"{'stream':<20}{'lines':>9}{'read':>9}{'loop k/s':>10}{'ours k/s':>10}{'x loop':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for mix, suffix in (("delivered", ".json"), ("delivered", ".json.gz"), ("finest", ".json")):
            path = Path(folder) / f"{mix}{suffix}"
            lines = write_stream(path, mix)
            loop, ours = measure("orjson loop", path), measure("chipledger", path)
            assert ours["found"] == loop["found"], f"{ours['found']} rows are not {loop['found']}"
            ratio = loop["cpu"] / ours["cpu"]
            missed |= ratio < NEEDED_RATIO
            rates = [lines / used["cpu"] / 1000 for used in (loop, ours)]
            print(f"{path.name:<20}{lines:>9,}{ours['found']:>9,}{rates[0]:>10.0f}{rates[1]:>10.0f}{ratio:>8.1f}")
    print(f"bar: ≥ {NEEDED_RATIO} times the loop, on every stream: {'missed' if missed else 'met'}")
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
