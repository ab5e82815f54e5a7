"""CloudWatch pulls: one dimension set, whole answers, and the finest period that the window's age allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources import cloudwatch
from pipeline.sources.aws_calls import ATTEMPTS
from pipeline.sources.base import ParsedDelivery
from pipeline.sources.cloudwatch import fetch, list_series
from pipeline.sources.cloudwatch_series import DIMENSIONS_OF, RULES, Series, name_series, series_keys
from pipeline.windows import Window
from tests.fakes.cloudwatch import FakeCloudWatch, core

NOW = datetime(2026, 11, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
LAST_HOUR = Window(NOW - HOUR, NOW)


def pull(client: Any, window: Window = LAST_HOUR, **arguments: Any) -> list[ParsedDelivery]:
    arguments.setdefault("catalogue", [core(0), core(1)])
    place = {"account_id": "111122223333", "region": "us-east-1"}
    return list(fetch(client, window=window, now=NOW, sleep=lambda _: None, **place, **arguments))


def rows(*deliveries: ParsedDelivery) -> list[dict[str, Any]]:
    return pa.Table.from_batches([batch for one in deliveries for _, batch in one.batches]).to_pylist()


def refusal(code: str, status: int = 400) -> ClientError:
    response = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetMetricData")  # type: ignore[arg-type]


def test_of_the_published_copies_only_the_finest_dimension_set_is_read() -> None:
    listed = list_series(FakeCloudWatch())  # type: ignore[arg-type]

    assert listed == [
        core(0, "node_neuroncore_memory_usage_total"),
        core(1, "node_neuroncore_memory_usage_total"),
        core(0),
        core(1),
    ]


def test_a_catalogue_of_copies_is_cut_to_what_is_read() -> None:
    client = FakeCloudWatch()
    coarse = Series("node_neuroncore_utilization", (("ClusterName", "c"),))
    pod = core(0, "pod_neuroncore_utilization")

    (delivery,) = pull(client, catalogue=[coarse, pod, core(0), core(0)])

    assert len(client.asked[0]["MetricDataQueries"]) == 1
    assert len(rows(delivery)) == 60


def test_rows_carry_the_series_and_the_period_start() -> None:
    (delivery,) = pull(FakeCloudWatch(), catalogue=[core(0)])

    (named,) = name_series("111122223333", "us-east-1", [core(0)])
    assert rows(delivery)[:2] == [
        {"series_key": named.key, "sample_at": NOW - HOUR, "value": 0.0},
        {"series_key": named.key, "sample_at": NOW - HOUR + timedelta(minutes=1), "value": 1.0},
    ]
    assert delivery.info.object == "cloudwatch://111122223333/us-east-1/node-1of1/20261114T2300/20261115T0000"
    assert (delivery.info.observed_at, delivery.info.time_guessed, delivery.info.interval_ms) == (NOW, False, 60_000)


@given(values=st.lists(st.tuples(*[st.text(max_size=4) | st.sampled_from(['a","b', "\\", "]],[["])] * 3), max_size=4))
def test_series_named_together_have_the_keys_that_they_have_one_by_one(values: list[tuple[str, ...]]) -> None:
    name = "node_neurondevice_runtime_memory_used_bytes"
    series = [Series(name, tuple(zip(DIMENSIONS_OF[name], each, strict=True))) for each in values]
    assert series_keys("1", "é", name, values).tolist() == [each.key for each in name_series("1", "é", series)]


def test_an_answer_cut_into_pages_is_joined_by_id() -> None:
    whole, cut = rows(pull(FakeCloudWatch())[0]), rows(pull(FakeCloudWatch(points_per_page=7))[0])

    assert cut == whole
    assert len(cut) == 120


@pytest.mark.parametrize(("hours", "queries_per_call"), [(1, 500), (24, 70)])
def test_a_call_asks_for_at_most_500_series_and_100_800_points(hours: int, queries_per_call: int) -> None:
    client = FakeCloudWatch()

    pull(client, Window(NOW - hours * HOUR, NOW), catalogue=[core(number) for number in range(501)])

    sizes = [len(request["MetricDataQueries"]) for request in client.asked]
    assert max(sizes) == queries_per_call
    assert sum(sizes) == 501


def test_a_window_becomes_one_delivery_per_hour_of_the_clock_and_one_question() -> None:
    client, first = FakeCloudWatch(), NOW - timedelta(minutes=90)

    deliveries = pull(client, Window(first, NOW - timedelta(minutes=20)))

    assert [len(rows(delivery)) for delivery in deliveries] == [2 * 30, 2 * 40]
    assert len(client.asked) == 1


def test_an_hour_without_points_is_no_delivery() -> None:
    client = FakeCloudWatch()
    client.result = lambda query, body: {"Id": query["Id"], "StatusCode": "Complete", "Timestamps": [], "Values": []}  # type: ignore[method-assign]

    assert pull(client) == []


def test_only_the_partial_series_is_asked_again() -> None:
    client = FakeCloudWatch(statuses={"m1": ["PartialData", "InternalError"]})

    (delivery,) = pull(client)

    assert [len(request["MetricDataQueries"]) for request in client.asked] == [2, 1, 1]
    assert len(rows(delivery)) == 120


@pytest.mark.parametrize(
    "said", [{"Messages": [{"Code": "PartialData", "Value": "late"}]}, {"StatusCode": "InternalError"}]
)
def test_a_page_without_all_its_points_is_asked_again_though_the_next_one_is_complete(said: dict[str, Any]) -> None:
    client = FakeCloudWatch(points_per_page=25)
    honest = client.data

    def data(body: dict[str, Any]) -> dict[str, Any]:
        answer = honest(body)
        if len(client.asked) == 1:
            answer["MetricDataResults"][1] |= {"Timestamps": [], "Values": [], **said}
        return answer

    client.data = data  # type: ignore[method-assign]

    assert rows(*pull(client)) == rows(*pull(FakeCloudWatch()))
    assert [len(request["MetricDataQueries"]) for request in client.asked] == [2, 2, 2, 1, 1, 1]


@pytest.mark.parametrize("failure", [[b"{"] * 4, []], ids=["no page", "message"])
def test_series_that_were_whole_before_an_answer_failed_are_not_asked_again(failure: list[bytes]) -> None:
    client = FakeCloudWatch()
    honest = client.data

    def data(body: dict[str, Any]) -> dict[str, Any]:
        answer = honest(body)
        if len(client.asked) == 1:
            client.faults += failure
            return answer | {"MetricDataResults": answer["MetricDataResults"][:1], "NextToken": "2"}
        return answer | ({"Messages": [{"Value": "not all"}]} if "NextToken" in body else {})

    client.data = data  # type: ignore[method-assign]

    assert rows(*pull(client)) == rows(*pull(FakeCloudWatch()))
    assert len(client.asked[-1]["MetricDataQueries"]) == 1


@given(st.lists(st.integers(1, 5), max_size=12))
def test_series_that_come_one_by_one_are_waited_for_and_those_that_never_do_are_not(comes: list[int]) -> None:
    """Each number says how many times a series is PartialData before it is whole."""
    client = FakeCloudWatch(statuses={f"m{place}": ["PartialData"] * times for place, times in enumerate(comes)})
    gaps = [later - earlier for earlier, later in pairwise(sorted({0, *comes}))]
    catalogue = [core(number) for number in range(len(comes))]
    if max(gaps, default=0) >= ATTEMPTS:
        with pytest.raises(SourceError, match="stay incomplete"):
            pull(client, catalogue=catalogue)
    else:
        assert sum(map(len, map(rows, pull(client, catalogue=catalogue)))) == 60 * len(comes)


def test_a_series_that_stays_partial_is_an_error_and_never_a_gap() -> None:
    with pytest.raises(SourceError, match=r"1 of 2 series stay incomplete.*core1.*PartialData; run again later"):
        pull(FakeCloudWatch(statuses={"m1": ["PartialData"] * 4}))


def test_a_message_of_the_call_is_asked_about_again_and_then_an_error() -> None:
    told = {"Messages": [{"Code": "MaxMetricsExceeded", "Value": "too many"}]}
    client = FakeCloudWatch()
    client.extra = [told]
    assert len(rows(*pull(client))) == 120
    client.extra = [told] * 4
    with pytest.raises(SourceError, match="MaxMetricsExceeded"):
        pull(client)


@pytest.mark.parametrize("fault", [refusal("Throttling"), refusal("Whatever", 429), refusal("Odd", 502), b'{"Metric'])
def test_what_passes_by_itself_is_asked_again_after_growing_waits(fault: Exception | bytes) -> None:
    waits: list[float] = []
    client = FakeCloudWatch(faults=[fault] * 3)
    place = {"account_id": "1", "region": "us-east-1"}

    found = list(
        fetch(client, window=LAST_HOUR, now=NOW, sleep=waits.append, catalogue=[core(0)], **place)  # type: ignore[arg-type]
    )

    assert (len(rows(*found)), waits) == (60, [1, 2, 4])
    client.faults = [fault] * 4
    with pytest.raises(SourceError):
        pull(client)


def test_a_page_token_that_comes_again_starts_the_question_anew() -> None:
    client = FakeCloudWatch(points_per_page=25)
    client.extra = [{}, {"NextToken": "25"}]

    assert rows(*pull(client)) == rows(*pull(FakeCloudWatch()))
    client.extra = [{"NextToken": "25"}] * 20
    with pytest.raises(SourceError, match="same page token twice; run again later"):
        pull(client)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Timestamps": [1.5], "Values": [1.0]}, "which is no period of the window"),
        ({"Timestamps": [int((NOW - HOUR).timestamp())], "Values": [1.0, 2.0]}, "unreadable points"),
        ({"Timestamps": [int((NOW - HOUR).timestamp())], "Values": ["much"]}, "unreadable points"),
        ({"Timestamps": [], "Values": [1.0]}, "unreadable points"),
        ({"Id": "other"}, "which was not asked"),
    ],
)
def test_an_answer_that_is_not_cloudwatch_s_is_an_error(change: dict[str, Any], words: str) -> None:
    client = FakeCloudWatch()
    honest = client.result
    client.result = lambda query, body: honest(query, body) | change  # type: ignore[method-assign]

    with pytest.raises(SourceError, match=words):
        rows(*pull(client))


@given(st.lists(st.tuples(st.integers(0, 59), st.floats(0, 1e12)), max_size=80), st.integers(1, 30))
def test_points_come_back_by_their_time_however_they_are_cut(points: list[tuple[int, float]], size: int) -> None:
    client, start = FakeCloudWatch(), int((NOW - HOUR).timestamp())
    pages = [points[first : first + size] for first in range(0, len(points), size)] or [[]]

    def data(body: dict[str, Any]) -> dict[str, Any]:
        number = int(body.get("NextToken", 0))
        stamps = [start + 60 * minute for minute, _ in pages[number]]
        result = {"Id": "m0", "Timestamps": stamps, "Values": [value for _, value in pages[number]]}
        token = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        return {"MetricDataResults": [result | {"StatusCode": "PartialData" if token else "Complete"}], **token}

    client.data = data  # type: ignore[method-assign]

    deliveries = pull(client, catalogue=[core(0)])
    found = {row["sample_at"]: row["value"] for row in (rows(*deliveries) if deliveries else [])}

    assert found == {NOW - HOUR + timedelta(minutes=minute): value for minute, value in points}


def test_a_forbidden_series_names_the_permission() -> None:
    with pytest.raises(SourceError, match="allow cloudwatch:GetMetricData"):
        pull(FakeCloudWatch(statuses={"m0": ["Forbidden"]}))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (refusal("AccessDenied"), "allow cloudwatch:GetMetricData"),
        (refusal("ExpiredToken"), "renew them"),
        (refusal("Throttling"), "run again in some minutes"),
        (refusal("InternalServiceFault"), "run again later"),
        (refusal("ValidationError"), "report it"),
        (NoCredentialsError(), "AWS_PROFILE"),
        (EndpointConnectionError(endpoint_url="http://nowhere"), "check network"),
    ],
)
def test_a_refusal_says_what_to_do(error: Exception, advice: str) -> None:
    with pytest.raises(SourceError, match=advice):
        pull(FakeCloudWatch(faults=[error] * 4))


def test_a_refused_listing_names_its_own_permission() -> None:
    with pytest.raises(SourceError, match="allow cloudwatch:ListMetrics"):
        pull(FakeCloudWatch(faults=[refusal("AccessDenied")]), catalogue=None)


def test_the_same_pull_is_the_same_delivery_whatever_the_order_of_the_catalogue() -> None:
    forward, backward = pull(FakeCloudWatch()), pull(FakeCloudWatch(), catalogue=[core(1), core(0)])

    assert forward[0].info == backward[0].info


def test_other_values_or_another_time_of_pull_are_another_delivery() -> None:
    first = pull(FakeCloudWatch())[0].info
    fewer = pull(FakeCloudWatch(), catalogue=[core(0)])[0].info
    later = next(
        fetch(
            FakeCloudWatch(),  # type: ignore[arg-type]
            window=LAST_HOUR,
            account_id="111122223333",
            region="us-east-1",
            now=NOW + HOUR,
            catalogue=[core(0), core(1)],
        )
    ).info

    assert len({first.delivery_id, fewer.delivery_id, later.delivery_id}) == 3
    assert later.content_sha256 == first.content_sha256


def test_nothing_published_is_nothing_delivered() -> None:
    assert pull(FakeCloudWatch(), catalogue=[]) == []


def test_requests_and_their_price_are_counted() -> None:
    spend = cloudwatch.new_spend()

    pull(FakeCloudWatch(), catalogue=None, spend=spend)

    assert (spend.requests, spend.billed_units) == (len(RULES) + 2 + 1, 4)
    assert spend.subjects == {"node_neuroncore_utilization": 2, "node_neuroncore_memory_usage_total": 2}
    assert str(spend.usd) == "0.00004"


def test_a_window_older_than_455_days_is_refused_with_the_oldest_day_left() -> None:
    with pytest.raises(SourceError, match="after 2025-08-17"):
        pull(FakeCloudWatch(), Window(NOW - timedelta(days=456), NOW - timedelta(days=455)))
