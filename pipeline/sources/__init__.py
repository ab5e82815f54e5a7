"""One file, one supplier: what reads which format. Exports are read through their Manifest (exports.py)."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from pipeline.sources.base import Reader

READER_MODULES = {
    "neuron_monitor": "pipeline.sources.neuron_monitor",
    "neuron_prometheus": "pipeline.sources.neuron_exporter",
    "dcgm": "pipeline.sources.dcgm",
    "metric_stream": "pipeline.sources.metric_stream",
    "emf": "pipeline.sources.emf",
    "inventory": "pipeline.sources.inventory",
    "pods": "pipeline.sources.inventory_pods",
    "reservations": "pipeline.sources.inventory_reservations",
    "price_list": "pipeline.sources.price_list",
    "spot_prices": "pipeline.sources.spot_prices",
    "work_units": "pipeline.sources.work_units",
    "job_attempts": "pipeline.sources.job_attempts",
    "benchmarks": "pipeline.sources.benchmarks",
    "cost_explorer": "pipeline.sources.cost_explorer_files",
    "focus": "pipeline.sources.focus",
}


def reader_of(source: str) -> Reader:
    """The reader of a detected format; its module is imported at first use."""
    return cast("Reader", import_module(READER_MODULES[source]).read)
