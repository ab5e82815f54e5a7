"""The seeded fleet simulator: true wire formats of a fleet whose every second and cent is known.

`simulate(options)` gives the world in memory (nodes, holdings, bill lines); `generate(options, out)` writes it as
`out/landing`, `out/truth` and `out/world.json`. Nothing here imports the rest of `pipeline`: the truth must not
share a line of code with what it judges.
"""

from pipeline.world.fleet import Node, Unit
from pipeline.world.generate import Progress, generate
from pipeline.world.lines import Line, usd
from pipeline.world.options import END_AT, WorldOptions
from pipeline.world.telemetry import HeldRange, Telemetry
from pipeline.world.workloads import Holding, Owner
from pipeline.world.world import World, simulate

__all__ = [
    "END_AT",
    "HeldRange",
    "Holding",
    "Line",
    "Node",
    "Owner",
    "Progress",
    "Telemetry",
    "Unit",
    "World",
    "WorldOptions",
    "generate",
    "simulate",
    "usd",
]
