"""The trigger at the queues: stored, then acknowledged, then told; and told again while anything waits."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline import events, settings
from pipeline.sources import queues
from pipeline.sources.queues import Queue


async def fired(trigger: Any, until_waiting: int) -> list[int]:
    """How many messages each event said were waiting, until one says so many."""
    found: list[int] = []
    async for event in trigger.run():
        found.append(event.payload["waiting_messages"])
        if found[-1] == until_waiting:
            break
    return found


@pytest.fixture
def queue(airflow: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from dags import sqs_events

    for name, value in (("ACCESS_KEY_ID", "k"), ("SECRET_ACCESS_KEY", "s"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr(sqs_events, "POLL_SECONDS", 0)
    monkeypatch.setattr(sqs_events, "WAKE_AGAIN_SECONDS", 0)
    queues._client.cache_clear()
    with mock_aws():
        url = boto3.client("sqs").create_queue(QueueName="arrivals")["QueueUrl"]
        monkeypatch.setenv("CHIPLEDGER_QUEUES", url)
        yield Queue(url)
    queues._client.cache_clear()


def test_the_trigger_stores_then_acknowledges_then_fires_and_fires_again_while_messages_wait(queue: Queue) -> None:
    from dags.sqs_events import ObjectArrivals

    for number in range(13):
        boto3.client("sqs").send_message(QueueUrl=queue.url, MessageBody=json.dumps({"number": number}))
    told = asyncio.run(asyncio.wait_for(fired(ObjectArrivals(), 13), 30))
    assert told == sorted(told)
    again = asyncio.run(asyncio.wait_for(fired(ObjectArrivals(), 13), 30))
    assert again[-1] == 13, "nothing new in the queue, and what waits in the spool is told again"
    spool = events.spool_of(settings.load())
    assert {json.loads(one.body)["number"] for one in spool.read(spool.waiting())} == set(range(13))
    assert queue.receive() == []


def test_a_disk_that_refuses_leaves_the_messages_in_the_queue_and_is_tried_again(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dags import sqs_events

    monkeypatch.setattr(queues, "HIDDEN_SECONDS", 0)
    monkeypatch.setattr(sqs_events, "FIRST_PAUSE_SECONDS", 0)
    refusals = iter([OSError("disk full"), OSError("disk full")])
    store = events.Spool.put

    def put(*arguments: Any) -> None:
        for refusal in refusals:
            raise refusal
        store(*arguments)

    monkeypatch.setattr(events.Spool, "put", put)
    boto3.client("sqs").send_message(QueueUrl=queue.url, MessageBody="one")
    assert asyncio.run(asyncio.wait_for(fired(sqs_events.ObjectArrivals(), 1), 30)) == [1]


def test_the_trigger_can_be_found_by_its_name(airflow: Path) -> None:
    from airflow.sdk.module_loading import import_string

    from dags.sqs_events import ObjectArrivals

    name, arguments = ObjectArrivals().serialize()
    assert (import_string(name), arguments) == (ObjectArrivals, {})
