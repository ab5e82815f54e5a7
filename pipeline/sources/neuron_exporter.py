"""What neuron-monitor-prometheus says of each core: exposition text → the three raw_neuron_exporter tables."""

from __future__ import annotations

from typing import Final

from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.exposition_scrapes import read_scrapes
from pipeline.sources.neuron_exporter_rows import ExporterRows

SOURCE: Final = "neuron_prometheus"
CADENCE_MS: Final = 30_000


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """One file of exposition text, dated or not, one scrape or many (see read_scrapes); the interval is 30 s."""
    return read_scrapes(obj, options, SOURCE, CADENCE_MS, lambda cadence_ms, _: ExporterRows(cadence_ms))
