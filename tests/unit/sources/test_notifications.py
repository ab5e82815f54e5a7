"""What messages announce: every wrapping of the same news is read alike, and nothing else is taken for news."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.notifications import ArrivedObject, News, read_message


def record(key: str, name: str = "ObjectCreated:Put", **more: Any) -> dict[str, Any]:
    return {"eventName": name, "s3": {"bucket": {"name": "fleet"}, "object": {"key": key, "eTag": "e1", **more}}}


def message(*records: Any) -> str:
    return json.dumps({"Records": list(records)})


def test_a_key_is_decoded_and_its_version_kept() -> None:
    (found,) = read_message(message(record("dcgm/node+1%3A%C3%A4.prom", versionId="v7"))).objects
    assert found == ArrivedObject("fleet", "dcgm/node 1:ä.prom", "v7", "e1")
    assert (found.location, found.identity) == ("s3://fleet/dcgm/node 1:ä.prom", "s3://fleet/dcgm/node 1:ä.prom#v7")


def test_without_versions_the_content_tells_objects_apart() -> None:
    assert read_message(message(record("a", versionId="null"))).objects[0].identity == "s3://fleet/a#e1"


def test_sns_and_event_bridge_say_the_same_as_s3() -> None:
    direct = read_message(message(record("a%20b.prom")))
    envelope = json.dumps({"Type": "Notification", "Message": message(record("a%20b.prom"))})
    detail = {"bucket": {"name": "fleet"}, "object": {"key": "a b.prom", "etag": "e1"}}
    bridge = json.dumps({"detail-type": "Object Created", "source": "aws.s3", "detail": detail})
    assert direct == read_message(envelope) == read_message(bridge)


def test_event_bridge_keys_are_not_encoded() -> None:
    detail = {"bucket": {"name": "fleet"}, "object": {"key": "100%+a"}}
    assert read_message(json.dumps({"detail-type": "Object Created", "detail": detail})).objects[0].key == "100%+a"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "fleet"}),
        message(record("a", "ObjectRemoved:Delete")),
        message(record("a", "s3:ObjectTagging:Put")),
        json.dumps({"detail-type": "Object Deleted", "detail": {}}),
    ],
)
def test_tests_and_other_news_are_no_arrival_and_no_problem(body: str) -> None:
    assert read_message(body) == News()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("hello", "not JSON"),
        ("", "not JSON"),
        ("[1]", "no object"),
        ('{"a": 1}', "without Records"),
        ('{"Records": []}', "without Records"),
        ('{"Type": "Notification", "Message": 7}', "whose Message is no text"),
        ('{"Type": "Notification", "Message": "x"}', "not JSON"),
        (message({"eventName": "ObjectCreated:Put"}), "without s3"),
        (message(7), "without eventName"),
        (message(record("%ff")), "not UTF-8"),
        (message(record("")), "empty"),
        (message({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": 3}, "object": {"key": "a"}}}), "no text"),
    ],
)
def test_what_cannot_be_read_says_why(body: str, problem: str) -> None:
    news = read_message(body)
    assert problem in news.problem
    assert not news.objects


def test_one_bad_record_does_not_hide_the_good_ones_beside_it() -> None:
    news = read_message(message(record("a"), 7, record("b"), record("a")))
    assert [found.key for found in news.objects] == ["a", "b"]
    assert news.problem


@given(st.text(min_size=1).filter(lambda key: "\0" not in key and "\ufffd" not in key))
def test_every_key_survives_its_encoding(key: str) -> None:
    try:
        encoded = quote_plus(key)
    except UnicodeEncodeError:
        return
    assert read_message(message(record(encoded))).objects[0].key == key


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["Records", "s3", "bucket", "object", "key", "name", "eventName", "Type", "Message", "detail-type"]
                ),
                inner,
            )
        ),
    )
)
def test_nothing_in_a_message_makes_the_reader_fail(document: Any) -> None:
    news = read_message(json.dumps(document))
    assert isinstance(news.problem, str)
