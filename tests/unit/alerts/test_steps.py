"""`notify` as a step: where its findings come from, and what it does where they are lost."""

from __future__ import annotations

import shutil
from pathlib import Path

from alerts import steps as telling
from alerts.dispatch import notify
from pipeline import settings, steps
from tests.unit.alerts.samples import IDLE, rows


def test_a_lost_publication_is_no_all_clear(home: Path) -> None:
    values = settings.load()
    now = values.clock()
    place = values.place.create()
    notify(
        rows(IDLE),
        state_path=place.state / telling.LEDGER_FILE,
        outbox_dir=place.outbox,
        slack=None,
        now=lambda: now,
        sleep=lambda seconds: None,
    )
    shutil.rmtree(place.published)
    assert telling.notify(values, now).sent == 0
    steps.build(values, now)
    steps.check(values, now)
    telling.detect(values, now)
    steps.publish(values, now)
    assert telling.notify(values, now).sent == 1  # published again, and it is gone: retracted
