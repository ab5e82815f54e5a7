"""A page of GetMetricData keeps its points as text, however it is laid out, and says what json says of the rest."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.cloudwatch_page import read_page

LABELS = st.one_of(st.text(max_size=20), st.just('"Timestamps":[1,2],"Values":[3]'), st.just("]}"))
RESULT = st.builds(
    lambda label, points: {
        "Id": "m0",
        "Label": label,
        "Timestamps": [stamp for stamp, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": "Complete",
    },
    LABELS,
    st.lists(st.tuples(st.integers(0, 2**40), st.floats(allow_nan=False, allow_infinity=False)), max_size=5),
)
PAGE = st.fixed_dictionaries(
    {"MetricDataResults": st.lists(RESULT, max_size=4), "Messages": st.just([]), "NextToken": LABELS}
)


def numbers(page: Any) -> Any:
    """The page with its points as numbers again."""
    for result in page["MetricDataResults"]:
        for name in ("Timestamps", "Values"):
            result[name] = orjson.loads(b"[" + result[name] + b"]")
    return page


@given(PAGE, st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_whatever_the_layout_the_page_says_the_same(
    page: dict[str, Any], separators: tuple[str, str], is_turned: bool
) -> None:
    if is_turned:
        page = page | {"MetricDataResults": [dict(reversed(one.items())) for one in page["MetricDataResults"]]}
    body = json.dumps(page, separators=separators, ensure_ascii=False).encode("utf-8", "replace")
    assert numbers(read_page(body)) == orjson.loads(body)


@given(PAGE, st.integers(1, 200))
def test_a_page_that_is_cut_off_is_never_read(page: dict[str, Any], missing: int) -> None:
    body = orjson.dumps(page)
    with pytest.raises(orjson.JSONDecodeError):
        read_page(body[: max(1, len(body) - missing)])


def test_values_stay_as_cloudwatch_wrote_them() -> None:
    body = b'{"MetricDataResults":[{"Id":"m0","Timestamps":[60,120],"Values":[1.50,2E1],"StatusCode":"Complete"}]}'
    (result,) = read_page(body)["MetricDataResults"]
    assert (result["Timestamps"], result["Values"]) == (b"60,120", b"1.50,2E1")


def test_a_result_without_points_has_none() -> None:
    body = b'{"MetricDataResults":[{"Id":"m0"},{"Id":"m1","Timestamps":[60],"Values":[1.0]}]}'
    first, second = read_page(body)["MetricDataResults"]
    assert (first["Timestamps"], first["Values"]) == (b"", b"")
    assert (second["Timestamps"], second["Values"]) == (b"60", b"1.0")


@pytest.mark.parametrize("page", [b"[]", b'{"MetricDataResults":{}}', b'{"Metrics":[]}'])
def test_what_is_no_page_comes_through_as_it_is(page: bytes) -> None:
    assert read_page(page) == orjson.loads(page)
