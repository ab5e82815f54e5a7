"""Rates of a CSV offer file: five lines about the file, a header, then one rate per line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import TextIOWrapper

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import SourceObject
from pipeline.sources.damage import DELIVER_AGAIN, open_plain
from pipeline.sources.price_list_rate import IsWanted, OnReject, Rate, normal_name

NEEDED = ("sku", "offertermcode", "ratecode", "termtype", "effectivedate", "unit", "priceperunit", "currency")
NEEDED += ("instancetype", "regioncode")
LONGEST_PREAMBLE = 20


def rates_of_csv(obj: SourceObject, is_wanted: IsWanted, on_reject: OnReject) -> Iterator[Rate]:
    """Rates of wanted products; a line with another number of fields than the header is rejected."""
    with TextIOWrapper(open_plain(obj.path), encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        names = _header(reader, obj.name)
        for fields in reader:
            if len(fields) != len(names):
                reason = f"{len(fields)} fields where the header has {len(names)}"
                on_reject(reader.line_num, reason, ",".join(fields)[:500])
                continue
            line = dict(zip(names, fields, strict=True))
            if is_wanted(line):
                yield _rate(line, reader.line_num)


def _header(reader: Iterator[list[str]], name: str) -> list[str]:
    for fields, _ in zip(reader, range(LONGEST_PREAMBLE), strict=False):
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
