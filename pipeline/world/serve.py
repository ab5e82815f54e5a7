"""`chipledger world serve`: CloudWatch, Cost Explorer and Prometheus over HTTP, answering from one simulated world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from pipeline.world.options import END
from pipeline.world.serve_clock import ServedClock
from pipeline.world.serve_costs import GROUPS_PER_PAGE, CostExplorer
from pipeline.world.serve_faults import Faults
from pipeline.world.serve_http import Doubles, DoublesServer
from pipeline.world.serve_metrics import METRICS_PER_PAGE, CloudWatch
from pipeline.world.serve_prometheus import PrometheusApi
from pipeline.world.serve_prometheus_series import Store
from pipeline.world.serve_published import publish
from pipeline.world.serve_queries import MAX_DATAPOINTS
from pipeline.world.serve_truth import billed_hours, insight_tracks, read_world
from pipeline.world.world import World

# Pages small enough that every edge falls within one Id, and that any answer has several.
SMALL_METRIC_PAGE, SMALL_POINT_PAGE, SMALL_GROUP_PAGE = 7, 997, 3


def make_server(
    world: World, *, port: int = 0, host: str = "127.0.0.1", faults: Sequence[str] = (), now: datetime | None = None,
    groups_per_page: int = GROUPS_PER_PAGE,
) -> DoublesServer:  # fmt: skip
    """A server of the world's doubles at `.url`, bound but not yet serving: serve_forever, shutdown, server_close.

    Its clock stands at `now`, or at the world's end: the age of metrics, what is visible yet and the closing of months
    count from it, and it stays until it is set. `faults` are classes of serve_faults; raises ValueError for others.
    """
    chosen = Faults(faults, world.options.seed)
    splits = "split_tokens" in chosen.names
    cloudwatch = CloudWatch(
        publish(insight_tracks(world, chosen.names)),
        metrics_per_page=SMALL_METRIC_PAGE if splits else METRICS_PER_PAGE,
        points_per_page=SMALL_POINT_PAGE if splits else MAX_DATAPOINTS,
        is_late="late" in chosen.names,
    )
    groups = SMALL_GROUP_PAGE if splits else groups_per_page
    costs = CostExplorer(billed_hours(world), groups, is_restated="restated" in chosen.names)
    clock = ServedClock(END if now is None else int(now.timestamp()))
    payer = world.fleet.accounts["payer"].account_id
    prometheus = PrometheusApi(Store(world))
    return DoublesServer((host, port), Doubles(cloudwatch, costs, prometheus, payer, clock, chosen))


def serve(
    directory: Path, *, port: int, host: str = "127.0.0.1", faults: Sequence[str] = (), now: datetime | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:  # fmt: skip
    """Serve the world in `directory` until interrupted; `on_ready` gets the endpoint URL, one for all services."""
    with make_server(read_world(directory), port=port, host=host, faults=faults, now=now) as server:
        if on_ready is not None:
            on_ready(server.url)
        server.serve_forever()
