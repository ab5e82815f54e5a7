"""The world's doubles in a thread of their own, and boto3 told to ask them, without its patience between tries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import boto3
import botocore.loaders
import botocore.session
import pytest

from pipeline.world import World
from pipeline.world.serve import make_server
from pipeline.world.serve_http import DoublesServer

LOADER = botocore.loaders.create_loader()  # reads the models of AWS once for all sessions
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzEXAMPLETOKENvalue/of+a==session"


@contextmanager
def serving(world: World, **options: Any) -> Iterator[DoublesServer]:
    """A server of `world` that answers until the block ends."""
    server = make_server(world, **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask_here(monkeypatch: pytest.MonkeyPatch, server: DoublesServer, key: str = "AKIAWORLD") -> None:
    """Every AWS client of this process asks `server`, with credentials that must never be seen again."""
    values = {"ACCESS_KEY_ID": key, "SECRET_ACCESS_KEY": SECRET, "SESSION_TOKEN": TOKEN}
    values |= {"ENDPOINT_URL": server.url, "DEFAULT_REGION": "us-east-1", "EC2_METADATA_DISABLED": "true"}
    values |= {"CONFIG_FILE": "/nowhere/config", "SHARED_CREDENTIALS_FILE": "/nowhere/credentials"}
    for name, value in values.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    session = botocore.session.get_session()
    session.register_component("data_loader", LOADER)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", boto3.Session(botocore_session=session))


def do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tries again does so at once: no backoff and no rate limit takes time."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    monkeypatch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda *_, **__: True)


def at(server: DoublesServer, moment: datetime) -> datetime:
    """Move the served clock; gives the moment back."""
    server.doubles.clock.set(moment)
    return moment
