"""`chipledger world serve`: CloudWatch, Cost Explorer and Prometheus over HTTP, answering from one simulated world."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.world.options import END, END_AT
from pipeline.world.serve_costs import CostExplorer
from pipeline.world.serve_http import Doubles, DoublesServer
from pipeline.world.serve_metrics import CloudWatch
from pipeline.world.serve_prometheus import PrometheusApi
from pipeline.world.serve_prometheus_series import Store
from pipeline.world.serve_published import publish
from pipeline.world.serve_truth import billed_days, core_tracks, read_world
from pipeline.world.world import World


def make_server(
    world: World, *, port: int = 0, host: str = "127.0.0.1", throttle_every: int = 0, groups_per_page: int = 40
) -> DoublesServer:
    """A server of the world's doubles at `.url`, bound but not yet serving: serve_forever, shutdown, server_close.

    Its clock stands at the world's end: that is what the age of metrics and the closing of months count from.
    """
    doubles = Doubles(
        CloudWatch(publish(core_tracks(world)), now=END),
        CostExplorer(billed_days(world), END_AT.date().replace(day=1), groups_per_page),
        world.fleet.accounts["payer"].account_id,
        PrometheusApi(Store(world), throttle_every),
        throttle_every,
    )
    return DoublesServer((host, port), doubles)


def serve(
    directory: Path, *, port: int, host: str = "127.0.0.1", on_ready: Callable[[str], None] | None = None
) -> None:
    """Serve the world in `directory` until interrupted; `on_ready` gets the endpoint URL, one for all services."""
    with make_server(read_world(directory), port=port, host=host) as server:
        if on_ready is not None:
            on_ready(server.url)
        server.serve_forever()
