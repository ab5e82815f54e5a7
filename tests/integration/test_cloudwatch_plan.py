"""The planner against the world's CloudWatch: what is predicted is what is asked, call by call and metric by metric."""

from __future__ import annotations

import threading
from datetime import timedelta

import boto3
import pytest

from pipeline.sources import cloudwatch
from pipeline.sources.cloudwatch_plan import plan
from pipeline.sources.cloudwatch_series import name_series
from pipeline.windows import Window
from pipeline.world import END_AT, WorldOptions, simulate
from pipeline.world.serve import make_server

REGION = "us-west-2"
PLACE = {"account_id": "111122223333", "region": REGION}


@pytest.mark.parametrize("hours", [4, 24])
def test_the_planner_predicts_the_requests_that_are_really_made(hours: int) -> None:
    window = Window(END_AT - timedelta(hours=hours), END_AT)
    with make_server(simulate(WorldOptions(seed=7, days=1))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        keys = {"aws_access_key_id": "AKIAWORLD", "aws_secret_access_key": "none"}
        client = boto3.client("cloudwatch", region_name=REGION, endpoint_url=server.url, **keys)
        listed = cloudwatch.list_series(client)
        windows = dict.fromkeys({series.metric_name for series in listed}, window)
        predicted = plan(
            windows, [(named, END_AT) for named in name_series(*PLACE.values(), listed)], now=END_AT, **PLACE
        )
        spend = cloudwatch.new_spend()
        found = list(cloudwatch.fetch(client, window=window, now=END_AT, catalogue=listed, spend=spend, **PLACE))
        server.shutdown()
        thread.join()

    assert found
    assert spend.billed_units == pytest.approx(predicted.units.total(), rel=0.02)
    assert spend.requests == pytest.approx(predicted.requests, rel=0.02)
    assert spend.usd == pytest.approx(predicted.usd)
