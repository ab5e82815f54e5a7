"""With what signature or token a range query leaves."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.prometheus_endpoints import PrometheusEndpoint
from pipeline.sources.prometheus_api_http import sender
from tests.support.prometheus import endpoint

Sent = Callable[[PrometheusEndpoint, str], dict[str, str]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What headers a form is sent with."""
    headers: dict[str, str] = {}

    def catch(self: object, request: Any) -> Any:
        headers.update(
            {name: value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}
        )
        return type("Answer", (), {"status_code": 200, "content": b"{}", "headers": {}})()

    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", catch)

    def send(asking: PrometheusEndpoint, token: str) -> dict[str, str]:
        headers.clear()
        sender(asking, token)({"query": "m"})
        return headers

    return send


@pytest.mark.parametrize(("kind", "service"), [("amp", "aps"), ("cloudwatch", "monitoring")])
def test_aws_endpoints_are_signed_for_their_service(
    sent: Sent, monkeypatch: pytest.MonkeyPatch, kind: str, service: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWORLD")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame")

    signature = sent(endpoint(kind), "")["Authorization"]

    assert re.search(rf"Credential=AKIAWORLD/\d{{8}}/us-east-1/{service}/aws4_request", signature)
    assert "sesame" not in signature


def test_the_token_goes_to_the_endpoints_that_want_it_alone(sent: Sent) -> None:
    assert sent(endpoint(bearer=True), "sesame")["Authorization"] == "Bearer sesame"
    assert "Authorization" not in sent(endpoint(), "sesame")
    with pytest.raises(SourceError, match="set CHIPLEDGER_PROMETHEUS_TOKEN"):
        sender(endpoint(bearer=True))
