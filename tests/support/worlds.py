"""Simulated worlds on disk, each written once per test session whatever asks for it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipeline.world import WorldOptions, generate

SMALL_BYTES = 70_000
KEPT_HOURS = re.compile(r"T1[4-5]0000Z")


@dataclass(frozen=True)
class WorldFiles:
    """A written world: what its suppliers deliver, and what is true of it."""

    folder: Path

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    def truth(self, name: str) -> str:
        """A table function of SQL: the truth `name`."""
        path = str(self.folder / "truth" / f"{name}.parquet").replace("'", "''")
        return f"read_parquet('{path}')"

    def objects(self) -> list[Path]:
        """Every delivered file, in name order."""
        return sorted(path for path in self.landing.rglob("*") if path.is_file())


def write_world(cache: Path, **options: object) -> WorldFiles:
    """The world of these options in `cache`; a process that writes it at the same moment loses or wins, whole."""
    words = "-".join(f"{name}={value}" for name, value in sorted(options.items()))
    folder = cache / hashlib.sha256(words.encode()).hexdigest()[:16]
    if not folder.exists():
        fresh = Path(tempfile.mkdtemp(dir=cache))
        generate(WorldOptions(**options), fresh)  # type: ignore[arg-type]
        try:
            fresh.rename(folder)
        except OSError:
            shutil.rmtree(fresh)
    return WorldFiles(folder)


def without(world: WorldFiles, folder: str, into: Path) -> WorldFiles:
    """A copy of `world` (hard links) that lacks one folder of its landing."""
    shutil.copytree(
        world.landing, into / "landing", ignore=shutil.ignore_patterns(folder), copy_function=_link, symlinks=True
    )
    (into / "truth").symlink_to(world.folder / "truth")
    return WorldFiles(into)


def bring_work(world: WorldFiles, into: Path) -> None:
    """Put beside the files in `into` what people would bring for `world`: work, attempts, figures, corrections.

    The files' times, which decide what is newer, are set.
    """
    days = duckdb.sql(f"select distinct usage_date, workload_id from {world.truth('workload_cost_daily')} order by all")
    units = ["start_at,end_at,cluster,namespace,pod,unit,units"]
    attempts = ["submitted_at,start_at,end_at,cluster,namespace,pod,outcome"]
    figures = ["workload,instance_type,unit,throughput_per_second,measured_date"]
    for number, (day, workload_id) in enumerate(days.fetchall(), start=1):
        cluster, namespace, _, name = workload_id.split("/", 3)
        stretch = f"{day}T14:00:00Z,{day}T16:30:00Z"
        owner = f"{cluster},{namespace.replace('-', '')},{name}-0"
        units.append(f"{stretch},{owner},output_tokens,{number * 1_000_003}")
        attempts.append(f"{day}T14:05:00Z,{day}T14:20:00Z,{day}T15:40:00Z,{owner},running")
        figures.append(f"{workload_id},p5.48xlarge,output_tokens,{number},{day}")
    files = {
        "work_units/day.csv": units,
        "work_units/later.csv": [units[0], *(f"{line}7" for line in units[1:3])],
        "job_attempts/running.csv": attempts,
        "job_attempts/ended.csv": [line.replace("running", "failed") for line in attempts],
        "benchmarks/first.csv": [*figures, *(line.replace("p5.", "trn2.") for line in figures[1:])],
        "benchmarks/later.csv": [
            figures[0],
            *(line.replace(".48xlarge,output_tokens,", ".48xlarge,output_tokens,9") for line in figures[1:4]),
        ],
    }
    for age, (name, lines) in enumerate(files.items()):
        path = into / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", "utf-8")
        os.utime(path, (1_795_000_000 + age, 1_795_000_000 + age))


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def units(landing: Path) -> list[list[Path]]:
    """The objects below `landing` as deliveries: one file each, but a cost export's Manifest with all its chunks."""
    chunks: dict[str, list[Path]] = {}
    single: list[list[Path]] = []
    for path in sorted(path for path in landing.rglob("*") if path.is_file()):
        if "cur" in path.relative_to(landing).parts:
            chunks.setdefault(path.parent.name, []).append(path)
        else:
            single.append([path])
    return [*single, *chunks.values()]


def trimmed(world: WorldFiles, into: Path) -> WorldFiles:
    """A small part of a one-day `world`: every bill and inventory, the small Neuron nodes, two hours of GPU nodes."""
    for path in world.objects():
        name = path.relative_to(world.landing)
        is_left_out = {
            "neuron_monitor": path.stat().st_size > SMALL_BYTES,
            "dcgm": not KEPT_HOURS.search(path.name),
        }
        if not is_left_out.get(name.parts[0], False):
            (into / "landing" / name).parent.mkdir(parents=True, exist_ok=True)
            _link(str(path), str(into / "landing" / name))
    return WorldFiles(into)
