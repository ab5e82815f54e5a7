"""The other routes by which Container Insights' figures of a world arrive, each a folder of its own, on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from pipeline.world.emf import emf_files
from pipeline.world.metric_stream import Encoder, as_json, as_otlp, stream_files
from pipeline.world.options import END
from pipeline.world.serve_published import publish
from pipeline.world.serve_truth import core_tracks
from pipeline.world.world import World

Files: TypeAlias = Iterator[tuple[str, bytes]]


def _streamed(encode: Encoder) -> Callable[[World, int, int], Files]:
    return lambda world, start, end: stream_files(publish(core_tracks(world)), start, end, world.options.seed, encode)


ROUTES: Final[Mapping[str, Callable[[World, int, int], Files]]] = {
    "metric_stream": _streamed(as_json),
    "metric_stream_otlp": _streamed(as_otlp),
    "emf": emf_files,
}


def write_routes(world: World, names: Sequence[str], out: Path) -> None:
    """Write the world's telemetry window by each of these routes to `out/routes/<name>`."""
    for name in names:
        for path, content in ROUTES[name](world, world.options.telemetry_start, END):
            target = out / "routes" / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
