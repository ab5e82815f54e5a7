"""AWS Price List offer files of AmazonEC2, JSON or CSV as AWS publishes them, streamed: hundreds of megabytes each.

Kept are Linux prices of accelerated instance types in AWS Regions, shared tenancy, without preinstalled software.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pyarrow as pa

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import (
    IngestOptions,
    ParsedDelivery,
    Reject,
    Seeds,
    SourceObject,
    add_reject,
    describe,
    observation_time,
)
from pipeline.sources.damage import read_head
from pipeline.sources.decimals import MONEY, exact_decimal
from pipeline.sources.price_list_csv import rates_of_csv
from pipeline.sources.price_list_json import rates_of_json
from pipeline.sources.price_list_rate import Rate

SOURCE = "price_list"
TABLE = "raw_prices"
OFFER = "AmazonEC2"
ROWS_PER_BATCH = 10_000
NO_GPU = frozenset({"", "NA", "0"})
# What a product must say to be kept; a product that does not say it passes.
WANTED = {
    "operatingsystem": frozenset({"Linux"}),
    "tenancy": frozenset({"Shared"}),
    "preinstalledsw": frozenset({"NA"}),
    "capacitystatus": frozenset({"Used"}),
    "locationtype": frozenset({"AWS Region"}),
    "licensemodel": frozenset({"No License required", "NA"}),
}
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [("observed_at", _TIME), ("rate_code", pa.string()), ("sku", pa.string()), ("offer_term_code", pa.string())]
    + [("term_type", pa.string()), ("effective_at", _TIME), ("instance_type", pa.string()), ("region", pa.string())]
    + [(name, pa.string()) for name in ("market_option", "lease", "purchase_option", "offering_class", "unit")]
    + [("price_usd", MONEY)]
)
_HEADINGS = {
    "offer": re.compile(rb'"(?:offerCode"\s*:|OfferCode",)\s*"([^"]*)"'),
    "published": re.compile(rb'"(?:publicationDate"\s*:|Publication Date",)\s*"([^"]*)"'),
}


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Rates of the offer as raw_prices rows, observed when AWS published it.

    Refused are offers of other services, prices in another currency than USD, and damaged files, whole.
    """
    head = read_head(obj.path, 65_536)
    offer, published = (found[1].decode() if (found := mark.search(head)) else "" for mark in _HEADINGS.values())
    if offer and offer != OFFER:
        raise RefusedDelivery(obj.name, f"the price list of {offer}", f"deliver the one of {OFFER}")
    observed = (
        (_time(published), False) if published and options.observed_at is None else observation_time(obj, options)
    )
    info = describe(obj, SOURCE, observed)
    families = frozenset(row["instance_type"].partition(".")[0] for row in seeds.rows("instance_types"))
    reading = _Reading(obj, families, info.observed_at, b"{" in head[:64])
    return ParsedDelivery(info, reading.batches(), reading.rejects)


@dataclass
class _Reading:
    """One offer being read."""

    obj: SourceObject
    families: frozenset[str]
    observed_at: datetime
    is_json: bool
    rejects: list[Reject] = field(default_factory=list)

    def batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows, in batches."""
        rows = self._rows()
        while batch := list(islice(rows, ROWS_PER_BATCH)):
            yield TABLE, pa.RecordBatch.from_pylist(batch, SCHEMA)

    def _rows(self) -> Iterator[dict[str, Any]]:
        rates = rates_of_json if self.is_json else rates_of_csv
        seen: set[str] = set()
        for number, rate in enumerate(rates(self.obj, self._is_wanted, self._reject), start=1):
            if rate.currency != "USD":
                raise RefusedDelivery(self.obj.name, f"prices in {rate.currency}", "only USD is taken")
            try:
                row = self._row(rate)
            except ValueError as error:
                self._reject(rate.line_number or number, f"not a price: {error}", repr(rate))
                continue
            if rate.rate_code in seen:
                self._reject(rate.line_number or number, "the same rate code again", repr(rate))
                continue
            seen.add(rate.rate_code)
            yield row

    def _row(self, rate: Rate) -> dict[str, Any]:
        price = exact_decimal(rate.price)
        if price < 0:
            raise ValueError(f"{rate.price} is negative")
        if not (rate.rate_code and rate.instance_type and rate.region):
            raise ValueError("it has no rate code, instance type or region")
        return {
            "observed_at": self.observed_at,
            "rate_code": rate.rate_code,
            "sku": rate.sku,
            "offer_term_code": rate.offer_term_code,
            "term_type": rate.term_type,
            "effective_at": _time(rate.effective),
            "instance_type": rate.instance_type,
            "region": rate.region,
            "market_option": rate.market_option,
            "lease": rate.lease,
            "purchase_option": rate.purchase_option,
            "offering_class": rate.offering_class,
            "unit": rate.unit,
            "price_usd": price,
        }

    def _reject(self, number: int, reason: str, text: str) -> None:
        add_reject(self.rejects, Reject.of(number, reason, text), self.obj.name)

    def _is_wanted(self, attributes: Mapping[str, str]) -> bool:
        """Whether a product, by its attributes under normal names, is a price that is kept."""
        family = attributes.get("instancetype", "").partition(".")[0]
        if family not in self.families and attributes.get("gpu", "") in NO_GPU:
            return False
        return all(not attributes.get(name) or attributes[name] in words for name, words in WANTED.items())


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
