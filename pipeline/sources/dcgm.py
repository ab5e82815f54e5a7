"""What dcgm-exporter says of each GPU at each instant: exposition text → raw_dcgm_samples and raw_dcgm_devices."""

from __future__ import annotations

from typing import Final

from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.dcgm_rows import DcgmRows, columns_by_name
from pipeline.sources.exposition_scrapes import read_scrapes

SOURCE: Final = "dcgm"
CADENCE_MS: Final = 30_000


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """One file of exposition text, dated or not, one scrape or many (see read_scrapes); the interval is 30 s."""
    columns = columns_by_name(seeds)
    return read_scrapes(obj, options, SOURCE, CADENCE_MS, lambda ms, reject: DcgmRows(columns, ms, reject))
