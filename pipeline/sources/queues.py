"""SQS queues: long polls, and acknowledgement by deletion. A message that is not deleted comes again by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pipeline.sources.aws_calls import call, new_client

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MESSAGES_PER_CALL = 10  # SQS's own limit
HIDDEN_SECONDS = 30  # how soon SQS hands out again what a killed process had received
LONGEST_POLL_SECONDS = 20
REGION_IN_URL = re.compile(r"//(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.amazonaws\.com")


@dataclass(frozen=True)
class Message:
    """One received message; `receipt` acknowledges it."""

    message_id: str
    body: str
    receipt: str


@dataclass(frozen=True)
class Queue:
    """One queue by its URL; a region in the URL wins over the ordinary AWS settings."""

    url: str

    def receive(self, wait_seconds: int = 0) -> list[Message]:
        """Up to ten messages, waiting up to `wait_seconds` for the first; raises SourceError."""
        client = self._client()
        answer = call(
            lambda: client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=MESSAGES_PER_CALL,
                WaitTimeSeconds=min(wait_seconds, LONGEST_POLL_SECONDS),
                VisibilityTimeout=HIDDEN_SECONDS,
            ),
            permission="sqs:ReceiveMessage",
            place=f"queue {self.url}",
        )
        return [Message(one["MessageId"], one["Body"], one["ReceiptHandle"]) for one in answer.get("Messages", [])]

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Delete up to ten messages. One that SQS keeps all the same comes again, and changes nothing."""
        entries: Any = [{"Id": str(number), "ReceiptHandle": one.receipt} for number, one in enumerate(messages)]
        client = self._client()
        call(
            lambda: client.delete_message_batch(QueueUrl=self.url, Entries=entries),
            permission="sqs:DeleteMessage",
            place=f"queue {self.url}",
        )

    def peek(self) -> None:
        """Raise SourceError unless messages may be received; one that is there stays there for everybody else."""
        client = self._client()
        call(
            lambda: client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=1, VisibilityTimeout=0),
            permission="sqs:ReceiveMessage",
            place=f"queue {self.url}",
        )

    def _client(self) -> SQSClient:
        return _client(region_of(self.url))


def region_of(url: str) -> str | None:
    """The region an AWS queue URL names; None for any other URL."""
    found = REGION_IN_URL.search(url)
    return (found[1] or found[2]) if found else None


@lru_cache(maxsize=16)
def _client(region: str | None) -> SQSClient:
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "max_attempts": 3}, connect_timeout=5, read_timeout=LONGEST_POLL_SECONDS + 10
    )
    client: SQSClient = new_client("sqs", region, config=config)
    return client
