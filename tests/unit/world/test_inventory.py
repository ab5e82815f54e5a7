from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.world import World
from pipeline.world.inventory import snapshot_times
from pipeline.world.options import END, SECONDS_PER_DAY


def _records(written: Path) -> list[dict[str, Any]]:
    files = sorted((written / "landing" / "inventory").glob("*.ndjson"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_a_snapshot_is_taken_each_midnight_and_after_each_start_and_stop(world: World) -> None:
    times = snapshot_times(world.options, world.fleet)
    assert set(range(world.options.start, END + 1, SECONDS_PER_DAY)) <= set(times)
    for node in world.fleet.nodes:
        if node.launch_at >= world.options.start:
            assert any(0 < at - node.launch_at <= 60 for at in times)


def test_every_instance_of_the_fleet_is_seen_running_with_its_tags(written: Path, world: World) -> None:
    running = {record["InstanceId"]: record for record in _records(written) if record["State"]["Name"] == "running"}
    assert set(running) == {node.instance_id for node in world.fleet.nodes}
    for node in world.fleet.nodes:
        record = running[node.instance_id]
        tags = {tag["Key"]: tag["Value"] for tag in record["Tags"]}
        cluster = tags.get("aws:eks:cluster-name", tags.get("chipledger:cluster", "-"))
        assert cluster == node.cluster_name
        assert record["OwnerId"] == node.account.account_id
        assert record["PrivateDnsName"] == node.private_dns_name


def test_a_terminated_instance_says_when_it_ended(written: Path) -> None:
    ended = [record for record in _records(written) if record["State"]["Name"] == "terminated"]
    assert ended
    assert all(record["StateTransitionReason"].startswith("User initiated (2026-11-") for record in ended)
    assert all(record["PrivateDnsName"] == "" for record in ended)
