"""A small offer file of AmazonEC2 in the shape in which AWS publishes it, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

COLUMNS = {
    "Location Type": "locationType",
    "Instance Type": "instanceType",
    "Tenancy": "tenancy",
    "Operating System": "operatingSystem",
    "License Model": "licenseModel",
    "CapacityStatus": "capacitystatus",
    "GPU": "gpu",
    "MarketOption": "marketoption",
    "Pre Installed S/W": "preInstalledSw",
    "Region Code": "regionCode",
}
TERM_COLUMNS = ("SKU", "OfferTermCode", "RateCode", "TermType", "PriceDescription", "EffectiveDate", "StartingRange")
TERM_COLUMNS += ("EndingRange", "Unit", "PricePerUnit", "Currency", "LeaseContractLength", "PurchaseOption")
TERM_COLUMNS += ("OfferingClass", "Product Family", "serviceCode", "Location")
PREAMBLE = (
    ("FormatVersion", "v1.0"),
    ("Disclaimer", "This pricing list is for informational purposes only."),
    ("Publication Date", "2026-11-02T17:00:00Z"),
    ("Version", "20261102170000"),
    ("OfferCode", "AmazonEC2"),
)


def product(sku: str, instance_type: str, **changes: str) -> dict[str, Any]:
    attributes = {
        "locationType": "AWS Region",
        "instanceType": instance_type,
        "tenancy": "Shared",
        "operatingSystem": "Linux",
        "licenseModel": "No License required",
        "capacitystatus": "Used",
        "gpu": "8",
        "marketoption": "OnDemand",
        "preInstalledSw": "NA",
        "regionCode": "us-east-1",
        **changes,
    }
    return {"sku": sku, "productFamily": "Compute Instance", "attributes": attributes}


def term(
    sku: str, code: str, *rates: tuple[str, str], lease: str = "", option: str = "", kind: str = ""
) -> dict[str, Any]:
    """An offer of a SKU; `rates` are (unit, USD)."""
    dimensions = {
        f"{sku}.{code}.{number}": {
            "rateCode": f"{sku}.{code}.{number}",
            "description": f"${price} per {unit}",
            "beginRange": "0",
            "endRange": "Inf",
            "unit": unit,
            "pricePerUnit": {"USD": price},
            "appliesTo": [],
        }
        for number, (unit, price) in enumerate(rates)
    }
    told = {"LeaseContractLength": lease, "PurchaseOption": option, "OfferingClass": kind} if lease else {}
    return {
        "offerTermCode": code,
        "sku": sku,
        "effectiveDate": "2026-11-01T00:00:00Z",
        "priceDimensions": dimensions,
        "termAttributes": told,
    }


def offer(products: list[dict[str, Any]], terms: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    by_sku: dict[str, dict[str, dict[str, Any]]] = {}
    for kind, offers in terms.items():
        for one in offers:
            by_sku.setdefault(kind, {}).setdefault(one["sku"], {})[f"{one['sku']}.{one['offerTermCode']}"] = one
    return {
        "formatVersion": "v1.0",
        "disclaimer": PREAMBLE[1][1],
        "offerCode": "AmazonEC2",
        "version": "20261102170000",
        "publicationDate": "2026-11-02T17:00:00Z",
        "products": {one["sku"]: one for one in products},
        "terms": by_sku,
        "attributesList": {},
    }


def as_csv(document: dict[str, Any]) -> str:
    """The same offer as AWS's CSV."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows(PREAMBLE)
    writer.writerow([*TERM_COLUMNS, *COLUMNS])
    for kind, skus in document["terms"].items():
        for sku, offers in skus.items():
            attributes = document["products"][sku]["attributes"]
            for one in offers.values():
                for code, rate in one["priceDimensions"].items():
                    [(currency, price)] = rate["pricePerUnit"].items()
                    told = [one["termAttributes"].get(key, "") for key in TERM_COLUMNS[11:14]]
                    line = [
                        sku,
                        one["offerTermCode"],
                        code,
                        kind,
                        rate["description"],
                        one["effectiveDate"],
                        "0",
                        "Inf",
                    ]
                    line += [rate["unit"], price, currency, *told, "Compute Instance", "AmazonEC2", "US East"]
                    writer.writerow([*line, *(attributes[name] for name in COLUMNS.values())])
    return text.getvalue()
