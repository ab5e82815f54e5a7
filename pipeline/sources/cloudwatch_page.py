"""A page of GetMetricData whose points are left as text.

Of an hourly pull three hours in four are known already: their text is compared, and its numbers are never made.
"""

from __future__ import annotations

from typing import Any

import orjson

TIMES, VALUES = "Timestamps", "Values"
_TIMES, _VALUES = b'"Timestamps":[', b'"Values":['


def read_page(body: bytes) -> Any:
    """The page decoded; `Timestamps` and `Values` of its results are bytes: JSON numbers with commas between.

    Raises orjson.JSONDecodeError. Arrays laid out in another way than AWS's are read as numbers and written again.
    """
    around, points = _cut(body)
    page = orjson.loads(around)
    results = _results(page)
    if len(points) == len(results) and all(one.get(TIMES) == [] == one.get(VALUES) for one in results):
        for result, (times, values) in zip(results, points, strict=True):
            result[TIMES], result[VALUES] = times, values
        return page
    page = orjson.loads(body)
    for result in _results(page):
        for name in (TIMES, VALUES):
            result[name] = orjson.dumps(result.get(name) or [])[1:-1]
    return page


def _cut(body: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The page with empty arrays, and what stood in each pair of them, in order; pairs are followed while they come."""
    around: list[bytes] = []
    points: list[tuple[bytes, bytes]] = []
    start = 0
    while (times := body.find(_TIMES, start)) >= 0:
        times += len(_TIMES)
        times_end = body.find(b"]", times)
        values = body.find(_VALUES, times_end) + len(_VALUES)
        values_end = body.find(b"]", values)
        if times_end < 0 or values < len(_VALUES) or values_end < 0:
            break
        around += (body[start:times], body[times_end:values])
        points.append((body[times:times_end], body[values:values_end]))
        start = values_end
    around.append(body[start:])
    return b"".join(around), points


def _results(page: Any) -> list[dict[str, Any]]:
    results = page.get("MetricDataResults") if isinstance(page, dict) else None
    return [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []
