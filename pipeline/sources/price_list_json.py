"""Rates of a JSON offer file: products first, then terms by SKU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import SourceObject
from pipeline.sources.content import read_chunks
from pipeline.sources.json_stream import members
from pipeline.sources.price_list_rate import IsWanted, OnReject, Rate, normal_name

DEPTHS = {"products": 2, "terms": 3}


def rates_of_json(obj: SourceObject, is_wanted: IsWanted, on_reject: OnReject) -> Iterator[Rate]:
    """Rates of wanted products; only those products are held. A file whose terms come first is refused."""
    products: dict[str, dict[str, str]] = {}
    has_products = False
    for number, (path, value) in enumerate(members(read_chunks(obj), DEPTHS, obj.name), start=1):
        if path[0] == "products":
            has_products = True
            try:
                attributes = {normal_name(key): str(text) for key, text in value["attributes"].items()}
            except (TypeError, LookupError, AttributeError):
                on_reject(number, "not a product: it has no attributes", repr(value)[:500])
                continue
            if is_wanted(attributes):
                products[path[-1]] = attributes
        elif path[0] == "terms" and len(path) == DEPTHS["terms"]:
            if not has_products:
                raise RefusedDelivery(obj.name, "its terms come before its products", "deliver it as AWS publishes it")
            if path[2] in products:
                yield from _rates(number, path[1], products[path[2]], value, on_reject)


def _rates(number: int, term_type: str, product: Mapping[str, str], offers: Any, on_reject: OnReject) -> Iterator[Rate]:
    try:
        for offer in offers.values():
            yield from _of_offer(term_type, product, offer)
    except (TypeError, LookupError, AttributeError) as error:
        on_reject(number, f"not a term: {type(error).__name__} {error}", repr(offers)[:500])


def _of_offer(term_type: str, product: Mapping[str, str], offer: Mapping[str, Any]) -> Iterator[Rate]:
    terms = offer.get("termAttributes") or {}
    for code, dimension in offer["priceDimensions"].items():
        [(currency, price)] = dimension["pricePerUnit"].items() or [("no currency", "")]
        yield Rate(
            rate_code=code,
            sku=offer["sku"],
            offer_term_code=offer["offerTermCode"],
            term_type=term_type,
            effective=offer["effectiveDate"],
            instance_type=product.get("instancetype", ""),
            region=product.get("regioncode", ""),
            market_option=product.get("marketoption", ""),
            lease=terms.get("LeaseContractLength", ""),
            purchase_option=terms.get("PurchaseOption", ""),
            offering_class=terms.get("OfferingClass", ""),
            unit=dimension["unit"],
            price=price,
            currency=currency,
        )
