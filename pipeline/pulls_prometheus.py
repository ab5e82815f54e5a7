"""The pull of Prometheus HTTP APIs: each window that was never asked, fetched whole, then landed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from pipeline.errors import SourceError
from pipeline.landing import LandingResult, land, unreachable
from pipeline.prometheus_endpoints import PrometheusEndpoint
from pipeline.settings import Settings
from pipeline.sources import prometheus_api
from pipeline.sources.base import Seeds
from pipeline.sources.prometheus_api_http import sender
from pipeline.steps import Ingested, warehouse
from pipeline.warehouse import SQL_DIR


def pull_prometheus(settings: Settings, now: datetime, sleep: Callable[[float], None] = time.sleep) -> Ingested:
    """DCGM and Neuron samples of every configured endpoint, an hour at a time, oldest first.

    What was asked stands in the ledger, by the names of its deliveries: an endpoint that fails keeps what has landed,
    and the next pass asks for the rest. Other writers never wait for an answer.
    """
    results: list[LandingResult] = []
    for endpoint in settings.prometheus:
        try:
            _pull(settings, endpoint, now, sleep, results)
        except SourceError as error:
            results.append(unreachable(f"Prometheus {endpoint.name}", prometheus_api.SOURCE, error))
    return Ingested(tuple(results))


def _pull(
    settings: Settings,
    endpoint: PrometheusEndpoint,
    now: datetime,
    sleep: Callable[[float], None],
    results: list[LandingResult],
) -> None:
    prefix = f"prometheus://{endpoint.name}/"
    with warehouse(settings) as conn:
        rows = conn.execute("select object from raw_deliveries where starts_with(object, ?)", [prefix]).fetchall()
    asked = [prometheus_api.asked_window(name) for (name,) in rows]
    windows = list(prometheus_api.windows_to_ask(endpoint, asked, now))
    if not windows:
        return
    send = sender(endpoint, settings.prometheus_token.get_secret_value())
    seeds = Seeds(SQL_DIR / "seeds")
    for delivery in prometheus_api.fetch(endpoint, send, windows=windows, seeds=seeds, now=now, sleep=sleep):
        with warehouse(settings) as conn:
            results.extend(land(conn, [delivery], arrived_at=now))
