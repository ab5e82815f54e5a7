"""Simulated worlds on disk, each written once per test session whatever asks for it."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

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
    folder = cache / "-".join(f"{name}={value}" for name, value in sorted(options.items()))
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
