"""Rates of a CSV offer file: five lines about the file, a header, then one rate per line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import SourceObject
from pipeline.sources.csv_lines import csv_lines
from pipeline.sources.damage import DELIVER_AGAIN
from pipeline.sources.price_list_rate import IsWanted, OnReject, Rate, normal_name

NEEDED = (
    *("sku", "offertermcode", "ratecode", "termtype", "effectivedate", "unit", "priceperunit", "currency"),
    *("instancetype", "regioncode"),
)
LONGEST_PREAMBLE = 20


def rates_of_csv(obj: SourceObject, is_wanted: IsWanted, on_reject: OnReject) -> Iterator[Rate]:
    """Rates of wanted products; a line with another number of fields than the header is rejected."""
    lines = csv_lines(obj, lambda reject: on_reject(reject.line_number, reject.reason, reject.text))
    names = _header(lines, obj.name)
    for number, fields in lines:
        if len(fields) != len(names):
            on_reject(number, f"{len(fields)} fields where the header has {len(names)}", ",".join(fields)[:500])
            continue
        line = dict(zip(names, fields, strict=True))
        if is_wanted(line):
            yield _rate(line, number)


def _header(lines: Iterator[tuple[int, list[str]]], name: str) -> list[str]:
    for _, fields in islice(lines, LONGEST_PREAMBLE):
        names = [normal_name(field) for field in fields]
        if names[:1] == ["sku"]:
            if missing := [each for each in NEEDED if each not in names]:
                raise RefusedDelivery(name, f"a price list without the column {missing[0]}", DELIVER_AGAIN)
            return names
    raise RefusedDelivery(name, "a price list without its header line SKU, OfferTermCode …", DELIVER_AGAIN)


def _rate(line: dict[str, str], number: int) -> Rate:
    return Rate(
        rate_code=line["ratecode"],
        sku=line["sku"],
        offer_term_code=line["offertermcode"],
        term_type=line["termtype"],
        effective=line["effectivedate"],
        instance_type=line["instancetype"],
        region=line["regioncode"],
        market_option=line.get("marketoption", ""),
        lease=line.get("leasecontractlength", ""),
        purchase_option=line.get("purchaseoption", ""),
        offering_class=line.get("offeringclass", ""),
        unit=line["unit"],
        price=line["priceperunit"],
        currency=line["currency"],
        line_number=number,
    )
