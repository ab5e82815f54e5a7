"""The trigger that waits at the queues: it stores each message on disk, acknowledges it, and wakes `ingest_events`.

SQS forgets a message only once its file is durable, so a killed triggerer loses nothing: what was not deleted comes
again, what was stored waits in the spool. While anything waits there the wake-up is repeated, since Airflow 3.3.2 can
hold back the last events of a burst.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import structlog
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

POLL_SECONDS = 5  # also how long a triggerer that stops waits for its last poll
WAKE_AGAIN_SECONDS = 60
FIRST_PAUSE_SECONDS = 2
LONGEST_PAUSE_SECONDS = 60

log = structlog.get_logger(__name__)


class ObjectArrivals(BaseEventTrigger):  # type: ignore[misc]
    """Fires when messages of CHIPLEDGER_QUEUES have been stored; its event carries counts, never the messages."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and no arguments: the settings are read where the trigger runs."""
        return "dags.sqs_events.ObjectArrivals", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll every queue at once, for as long as the triggerer lives."""
        values, spool = await asyncio.to_thread(_settings)  # its imports would hold up every other trigger
        arrived = asyncio.Event()
        polls = [asyncio.create_task(_poll(url, spool, arrived)) for url in values.queues]
        woken_at = -float(WAKE_AGAIN_SECONDS)
        try:
            while True:
                has_news = await _within(arrived, POLL_SECONDS)
                for poll in polls:
                    if poll.done():  # none ends by itself: what ended it must be seen
                        poll.result()
                waiting = len(await asyncio.to_thread(spool.waiting))
                if has_news or (waiting and time.monotonic() - woken_at > WAKE_AGAIN_SECONDS):
                    woken_at = time.monotonic()
                    yield TriggerEvent({"waiting_messages": waiting})
        finally:
            for poll in polls:
                poll.cancel()


def _settings() -> tuple[Any, Any]:
    from pipeline import events, settings

    values = settings.load()
    return values, events.spool_of(values)


async def _poll(url: str, spool: Any, arrived: asyncio.Event) -> None:
    """Long polls of one queue; where it or the disk refuses it is asked again, ever more patiently."""
    from pipeline import events
    from pipeline.errors import SourceError
    from pipeline.sources.queues import Queue

    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            if await asyncio.to_thread(events.collect, Queue(url), spool, POLL_SECONDS):
                arrived.set()
            pause = FIRST_PAUSE_SECONDS
        except (SourceError, OSError) as error:  # OSError: the disk; what was received then comes again
            log.warning("messages not taken", error=str(error), again_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def _within(arrived: asyncio.Event, seconds: float) -> bool:
    """Whether something arrived in that time; the next call waits for the next arrival."""
    try:
        await asyncio.wait_for(arrived.wait(), seconds)
    except TimeoutError:
        return False
    arrived.clear()
    return True
