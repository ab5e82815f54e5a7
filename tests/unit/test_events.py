"""From message to landed object: nothing is lost or doubled, poison ends with its reason, and no twin disturbs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline import events, failpoints, settings, steps
from pipeline.errors import UsageError
from pipeline.inbox import MAX_TRIES
from pipeline.sources import queues
from pipeline.sources.queues import Queue, region_of
from pipeline.steps import Ingested, warehouse

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Died(BaseException):
    """kill -9, seen from inside."""


class Arrivals:
    """A bucket whose notifications go to a queue, and a ledger that listens to it."""

    def __init__(self) -> None:
        self.s3, self.sqs = boto3.client("s3"), boto3.client("sqs")
        self.queue = self.sqs.create_queue(QueueName="arrivals", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.s3.create_bucket(Bucket="fleet")
        configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        self.s3.put_bucket_notification_configuration(Bucket="fleet", NotificationConfiguration=configuration)
        self.settings = settings.load(queues=(self.queue,), threads=1)

    def put(self, key: str, busy: int = 50, host: str = "node-1") -> Any:
        labels = f'gpu="0",UUID="GPU-{host}",modelName="NVIDIA L4",Hostname="{host}"'
        return self.s3.put_object(Bucket="fleet", Key=key, Body=f"DCGM_FI_DEV_GPU_UTIL{{{labels}}} {busy}\n".encode())

    def send(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def announce(self, key: str, bucket: str = "fleet", **more: str) -> None:
        part = {"bucket": {"name": bucket}, "object": {"key": key, **more}}
        self.send(json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": part}]}))

    def take(self, at: datetime = NOW) -> Ingested:
        return steps.ingest_events(self.settings, at)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with warehouse(self.settings) as conn:
            return conn.execute(sql).fetchall()

    @property
    def spooled(self) -> list[Path]:
        return events.spool_of(self.settings).waiting()


@pytest.fixture
def arrivals(begun_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arrivals]:
    for name, value in (("ACCESS_KEY_ID", "k"), ("SECRET_ACCESS_KEY", "s"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    queues._client.cache_clear()
    with mock_aws():
        yield Arrivals()
    queues._client.cache_clear()
    failpoints.arm("")


def test_everything_that_waits_lands_in_one_go_and_the_queue_is_empty(arrivals: Arrivals) -> None:
    keys = [f"dcgm of today/node {number}-20261101T000000Z.prom" for number in range(25)]
    for number, key in enumerate(keys):
        arrivals.put(key, host=f"n{number}")
    assert arrivals.take().count("landed") == 25
    assert arrivals.rows("select object from raw_deliveries order by all") == sorted((f"s3://fleet/{k}",) for k in keys)
    assert (arrivals.rows("from state_inbox"), arrivals.spooled) == ([], [])
    assert Queue(arrivals.queue).receive() == []


def test_the_same_news_twice_and_a_sweep_behind_it_change_nothing(arrivals: Arrivals) -> None:
    arrivals.put("a-20261101T000000Z.prom")
    arrivals.take()
    before = arrivals.rows("from raw_deliveries")
    arrivals.announce("a-20261101T000000Z.prom")
    again = arrivals.take(NOW + MINUTE)
    swept = steps.ingest(arrivals.settings, ["s3://fleet"], NOW + MINUTE)
    assert [one.status for one in (*again.results, *swept.results)] == ["repeat", "repeat"]
    assert arrivals.rows("from raw_deliveries") == before


def test_an_undated_object_has_one_identity_by_event_and_by_sweep(arrivals: Arrivals) -> None:
    arrivals.put("plain.prom")
    arrivals.take()
    with warehouse(arrivals.settings) as conn:
        conn.execute("delete from state_seen")
    assert steps.ingest(arrivals.settings, ["s3://fleet"], NOW).count("repeat") == 1


def test_each_version_that_was_announced_is_read(arrivals: Arrivals) -> None:
    arrivals.s3.put_bucket_versioning(Bucket="fleet", VersioningConfiguration={"Status": "Enabled"})
    versions = [arrivals.put("a-20261101T000000Z.prom", busy)["VersionId"] for busy in (10, 20)]
    Queue(arrivals.queue).acknowledge(Queue(arrivals.queue).receive())
    for version in versions:
        arrivals.announce("a-20261101T000000Z.prom", versionId=version)
    assert arrivals.take().count("landed") == 2
    assert arrivals.rows("select gpu_util from raw_dcgm_samples order by all") == [(10,), (20,)]


def test_poison_ends_in_the_dead_letters_after_five_tries_and_blocks_nothing(arrivals: Arrivals) -> None:
    arrivals.send("no JSON")
    arrivals.announce("never/was.prom")
    arrivals.s3.put_object(Bucket="fleet", Key="broken.prom.gz", Body=b"\x1f\x8b broken")
    arrivals.put("good-20261101T000000Z.prom")
    first = arrivals.take()
    assert (first.count("landed"), first.count("refused"), first.unreachable) == (1, 3, [])
    tries = 1
    for minute in range(1, 20):
        tries += bool(arrivals.take(NOW + minute * MINUTE).count("refused"))
    assert tries == MAX_TRIES
    found = {
        entry.partition("#")[0].partition(":")[0]: 1 for (entry,) in arrivals.rows("select entry from raw_dead_letters")
    }
    assert found == {"message": 1, "s3": 1}
    reasons = arrivals.rows("select coalesce(object, body), reason, tries from raw_dead_letters order by all")
    assert [(what, n) for what, _, n in reasons] == [
        ("no JSON", 5), ("s3://fleet/broken.prom.gz", 5), ("s3://fleet/never/was.prom", 5)
    ]  # fmt: skip
    assert all(
        part in reason for part, (_, reason, _) in zip(("not JSON", "gz", "no such object"), reasons, strict=True)
    )
    assert arrivals.rows("from state_inbox") == []


def test_a_bucket_that_does_not_answer_costs_no_try_and_stops_no_other(arrivals: Arrivals, monkeypatch: Any) -> None:
    arrivals.put("good-20261101T000000Z.prom")
    arrivals.announce("a.prom", bucket="denied")
    asked = events.stat_object

    def denied(bucket: str, *more: Any) -> Any:
        if bucket == "denied":
            raise events.SourceError("s3://denied/a.prom cannot be read: AccessDenied; check s3:GetObject")
        return asked(bucket, *more)

    monkeypatch.setattr(events, "stat_object", denied)
    for minute in range(10):
        taken = arrivals.take(NOW + minute * MINUTE)
        assert [one.object for one in taken.unreachable] == ["s3://denied/a.prom"]
    assert arrivals.rows("select tries from state_inbox") == [(0,)]
    assert len(arrivals.rows("from raw_deliveries")) == 1


def test_a_queue_that_is_not_there_is_named_and_the_others_are_taken(arrivals: Arrivals) -> None:
    arrivals.put("good-20261101T000000Z.prom")
    gone = arrivals.queue.replace("arrivals", "gone")
    arrivals.settings = settings.load(queues=(gone, arrivals.queue), threads=1)
    taken = arrivals.take()
    assert taken.count("landed") == 1
    assert "gone" in taken.unreachable[0].words


@pytest.mark.parametrize(
    "place",
    ["events.before_acknowledge", "events.before_forget", "events.before_settle", "landing.before_commit",
     "landing.after_commit", "sweep.before_commit"],
)  # fmt: skip
def test_a_process_killed_anywhere_loses_and_doubles_nothing(
    arrivals: Arrivals, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Died

    for number in range(3):
        arrivals.put(f"n{number}-20261101T000000Z.prom", host=f"n{number}")
    arrivals.send("no JSON")
    monkeypatch.setattr(queues, "HIDDEN_SECONDS", 0)  # what was not acknowledged comes again at once
    with monkeypatch.context() as armed:
        armed.setattr("os.kill", die)
        failpoints.arm(place)
        with suppress(Died):
            arrivals.take()
            pytest.fail(f"{place} was not passed")
        failpoints.arm("")
    arrivals.take(NOW + MINUTE)
    arrivals.take(NOW + 2 * MINUTE)
    assert len(arrivals.rows("from raw_deliveries")) == 3
    assert len(arrivals.rows("from raw_dcgm_samples")) == 3
    assert [entry.split(":")[0] for (entry,) in arrivals.rows("select entry from state_inbox")] == ["message"]
    assert arrivals.spooled == []


def test_a_damaged_file_in_the_spool_is_a_message_that_cannot_be_read(arrivals: Arrivals) -> None:
    spool = events.spool_of(arrivals.settings)
    spool.folder.mkdir(parents=True)
    (spool.folder / "half.json").write_bytes(b'{"message_id": "\xff')
    arrivals.put("good-20261101T000000Z.prom")
    assert arrivals.take().count("landed") == 1
    assert arrivals.rows("select entry, tries from state_inbox") == [("message:half", 1)]


def test_the_home_of_the_sample_fleet_listens_to_no_queue(arrivals: Arrivals) -> None:
    arrivals.settings.place.sample.joinpath("landing").mkdir(parents=True)
    with pytest.raises(UsageError, match="the queue"):
        arrivals.take()


def test_the_marts_are_told_which_windows_wait(arrivals: Arrivals) -> None:
    arrivals.put("a-20261101T000000Z.prom")
    arrivals.take()
    start, end = steps.waiting_windows(arrivals.settings)["raw_dcgm_samples"]
    assert (start, end) == ("2026-11-01T00:00:00+00:00", "2026-11-01T00:00:00.000001+00:00")


def test_the_region_of_a_queue_stands_in_its_url() -> None:
    assert region_of("https://sqs.eu-west-1.amazonaws.com/1/q") == "eu-west-1"
    assert region_of("https://eu-west-1.queue.amazonaws.com/1/q") == "eu-west-1"
    assert region_of("http://127.0.0.1:5000/1/q") is None
