"""Faults strike by seed and count alone, and say what they are."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from pipeline.world import END_AT, WorldOptions, simulate
from pipeline.world.serve_errors import ServiceRefusal
from pipeline.world.serve_faults import CLASSES, FAULTS, Faults
from pipeline.world.serve_published import Caller
from pipeline.world.serve_wire import Call, Reply, read_caller
from tests.support.doubles import serving

BILL = Call("ce:GetCostAndUsage", {}, Caller("us-east-1"))
METRICS = Call("cloudwatch:GetMetricData", {}, Caller("us-east-1"))
IDENTITY = Call("sts:GetCallerIdentity", {}, Caller("us-east-1"))


def strikes(name: str, seed: int, call: Call = METRICS, calls: int = 200) -> list[int]:
    faults = Faults([name], seed)
    return [number for number in range(1, calls + 1) if faults.striking(call)]


def test_every_fifth_call_is_throttled() -> None:
    assert strikes("throttle", 7) == list(range(5, 201, 5))


@pytest.mark.parametrize(
    "name", sorted(name for name, fault in FAULTS.items() if fault.every > 1 and name != "throttle")
)
def test_other_classes_strike_as_the_seed_draws_and_about_as_often_as_they_say(name: str) -> None:
    call = Call("ce:GetCostAndUsage", {"NextPageToken": "x"}, Caller("us-east-1"))
    call = METRICS if FAULTS[name].concerns(METRICS) else call
    found = strikes(name, 7, call)

    assert found == strikes(name, 7, call)
    assert found != strikes(name, 8, call)
    assert 0.6 < len(found) * FAULTS[name].every / 200 < 1.5


def test_a_class_counts_only_the_calls_it_concerns() -> None:
    faults = Faults(["data_unavailable"], 7)
    assert not [call for call in [METRICS, IDENTITY] * 50 if faults.striking(call)]
    assert strikes("data_unavailable", 7, BILL) == [n for n in range(1, 201) if faults.striking(BILL)]


def test_forbidden_denies_one_action_where_it_is_named() -> None:
    faults = Faults(["forbidden:ce:GetCostAndUsage"])
    assert faults.striking(BILL)
    assert not faults.striking(METRICS)
    assert not Faults(["forbidden"]).striking(IDENTITY)  # nobody needs a permission for it


def test_a_name_that_is_no_class_is_refused_with_all_that_are() -> None:
    with pytest.raises(ValueError, match="'thrtle' is no fault class; choose among bill_expired, ") as refused:
        Faults(["thrtle"])
    assert all(name in str(refused.value) for name in CLASSES)


def test_a_truncated_body_ends_with_the_connection_or_as_if_it_were_whole() -> None:
    damage = FAULTS["truncated_body"].damage
    assert damage is not None
    whole = Reply(200, "text/plain", b"0123456789")
    cut, passed_on = damage(whole, 2), damage(whole, 1)
    assert (cut.content, cut.declared_bytes) == (b"01234", 10)
    assert (passed_on.content, passed_on.declared_bytes) == (b"01234", 5)


@pytest.mark.parametrize("region", ["us-esat-1", "useast1", "us-east-0", ""])
def test_a_region_that_is_none_has_no_valid_credential(region: str) -> None:
    with pytest.raises(ServiceRefusal, match="valid region"):
        read_caller(f"AWS4-HMAC-SHA256 Credential=AKIA/20261115/{region}/monitoring/aws4_request, Signature=x")


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-2", "us-gov-west-1", "eu-central-1", "me-south-1"])
def test_every_region_of_aws_is_one(region: str) -> None:
    scope = f"AWS4-HMAC-SHA256 Credential=123456789012/20261115/{region}/monitoring/aws4_request, Signature=x"
    assert read_caller(scope) == Caller(region, "123456789012")


def test_the_served_clock_can_be_put_over_http() -> None:
    def put(url: str, text: str) -> int:
        request = urllib.request.Request(url, data=text.encode(), method="PUT")
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)

    with serving(simulate(WorldOptions(seed=7, days=1, telemetry_days=0))) as server:
        assert put(f"{server.url}/clock", "2026-11-20T00:00:00+00:00") == 200
        assert server.doubles.clock.now == int(END_AT.timestamp()) + 5 * 86_400
        for path, text in (("/clock", "tomorrow"), ("/clock", "2026-11-20T00:00:00"), ("/", "2026-11-20T00:00:00Z")):
            with pytest.raises(urllib.error.HTTPError, match="400"):
                put(server.url + path, text)
        assert server.doubles.clock.now == int(END_AT.timestamp()) + 5 * 86_400


def test_a_call_that_is_no_json_is_a_serialization_error() -> None:
    with serving(simulate(WorldOptions(seed=7, days=1, telemetry_days=0))) as server:
        scope = "AWS4-HMAC-SHA256 Credential=AKIA/20261115/us-east-1/ce/aws4_request, Signature=x"
        headers = {"X-Amz-Target": "AWSInsightsIndexService.GetCostAndUsage", "Authorization": scope}
        request = urllib.request.Request(server.url, data=b'{"a":', headers=headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert json.load(refused.value)["__type"] == "SerializationException"
