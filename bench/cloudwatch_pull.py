"""What an hourly CloudWatch pull of 1,000 trn2 nodes costs, from the bytes of the answers to committed rows.

Run by hand: python -m bench.cloudwatch_pull   (takes about a minute; a child process plays AWS)
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import orjson

NODES, CORES = 1000, 64
NOW = datetime(2026, 11, 15, 12, tzinfo=UTC)
REGION, ACCOUNT = "us-east-1", "111122223333"
METRIC = "node_neuroncore_utilization"
SHAPES = 509  # distinct series of values; a prime, so that no two pages are alike
NEEDED_RATE, NEEDED_RATIO, NEEDED_PEAK_MIB = 1e6, 40.0, 1024.0
PEER_PAGES = 12
IDENTITY = (
    "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>{}</Account></GetCallerIdentityResult>"
    "</GetCallerIdentityResponse>"
)


class Fleet:
    """Canned answers of CloudWatch for a fleet whose every core reports every minute."""

    def __init__(self) -> None:
        self._fragments: dict[tuple[int, int, int], list[bytes]] = {}
        self._values = np.random.default_rng(7).random((SHAPES, 600)).round(6) * 100

    def list_metrics(self, body: dict[str, Any]) -> bytes:
        first = int(body.get("NextToken", 0))
        count = NODES * CORES if body["MetricName"] == METRIC else 0
        metrics = [self._metric(number) for number in range(first, min(first + 500, count))]
        more = {"NextToken": str(first + 500)} if first + 500 < count else {}
        return orjson.dumps({"Metrics": metrics, **more})

    def get_metric_data(self, body: dict[str, Any]) -> bytes:
        period = body["MetricDataQueries"][0]["MetricStat"]["Period"]
        fragments = self._of(body["StartTime"], body["EndTime"], period)
        results = []
        for query in body["MetricDataQueries"]:
            core = query["MetricStat"]["Metric"]["Dimensions"]
            shape = hash((core[1]["Value"], core[4]["Value"])) % SHAPES
            results.append(b'{"Id":"%s",%s' % (query["Id"].encode(), fragments[shape]))
        return b'{"MetricDataResults":[%s],"Messages":[]}' % b",".join(results)

    def _of(self, start: int, end: int, period: int) -> list[bytes]:
        key = (start, end, period)
        if key not in self._fragments:
            stamps = orjson.dumps(list(range(start, end, period)))
            minutes = np.arange(start // 60, end // 60, period // 60) % self._values.shape[1]
            self._fragments[key] = [
                b'"Label":"%s","Timestamps":%s,"Values":%s,"StatusCode":"Complete"}'
                % (METRIC.encode(), stamps, orjson.dumps(values[minutes].tolist()))
                for values in self._values
            ]
        return self._fragments[key]

    def _metric(self, number: int) -> dict[str, Any]:
        node, core = divmod(number, CORES)
        dimensions = {
            "ClusterName": "train",
            "InstanceId": f"i-{node:017x}",
            "InstanceType": "trn2.48xlarge",
            "NeuronCore": f"core{core}",
            "NeuronDevice": f"device{core // 4}",
            "NodeName": f"ip-10-0-{node // 256}-{node % 256}.ec2.internal",
        }
        pairs = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        return {"Namespace": "ContainerInsights", "MetricName": METRIC, "Dimensions": pairs}


class Aws(BaseHTTPRequestHandler):
    """ListMetrics, GetMetricData and GetCallerIdentity, as boto3 asks for them."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fleet = Fleet()

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        action = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        kind = "application/x-amz-json-1.0" if action else "text/xml"
        answers = {"ListMetrics": self.fleet.list_metrics, "GetMetricData": self.fleet.get_metric_data}
        answer = answers[action](orjson.loads(content)) if action else IDENTITY.format(ACCOUNT).encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(ports: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Aws)
    ports.put(server.server_port)
    server.serve_forever()


def pull(home: Path, pulls_before: int) -> dict[str, float]:
    """CPU seconds of `pulls.pull_cloudwatch`: listing, planning, asking, landing, committing.

    It asks for four hours. After a pull an hour before, three of them are known and only compared; else all are landed.
    """
    import pandas  # noqa: F401  (pyarrow imports it once per process; outside the clock)

    from pipeline import own_spend, pulls, settings, steps
    from pipeline.windows import Window

    values = settings.load(home=home, regions=(REGION,), threads=1)
    before = NOW - timedelta(hours=1 + pulls_before)
    with steps.warehouse(values) as conn:
        facts = (before, own_spend.CLOUDWATCH, own_spend.READ_METRICS, ACCOUNT, REGION, METRIC)
        window = Window(before - timedelta(hours=1), before)
        own_spend.note(conn, [own_spend.ApiRequest(*facts, window, 0, 0, own_spend.Decimal(0), own_spend.WHOLE)])
    for number in range(pulls_before):
        pulls.pull_cloudwatch(values, before + timedelta(hours=1 + number))
    cpu, wall = time.process_time(), time.perf_counter()
    pulled = pulls.pull_cloudwatch(values, NOW)
    used = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "rows": float(pulled.rows)}
    assert not pulled.refused, str(pulled)
    return used | {"points": 240.0 * NODES * CORES}


def parse_only(pages: int) -> dict[str, float]:
    """CPU seconds from the bytes to Arrow batches, of as many calls as boto3 gets."""
    from pipeline.sources import clients, cloudwatch
    from pipeline.windows import Window

    catalogue, client = series(pages), clients.cloudwatch(REGION)
    cpu = time.process_time()
    window = Window(NOW - timedelta(hours=4), NOW)
    found = cloudwatch.fetch(client, window=window, account_id=ACCOUNT, region=REGION, now=NOW, catalogue=catalogue)
    rows = sum(len(batch) for delivery in found for _, batch in delivery.batches)
    return {"cpu": time.process_time() - cpu, "rows": float(rows), "points": float(rows)}


def peer(pages: int) -> dict[str, float]:
    """CPU seconds of boto3's own get_metric_data over the same questions."""
    from pipeline.sources import clients

    client, asked = clients.cloudwatch(REGION), series(pages)
    queries = [
        {
            "Id": f"m{number % 420}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "ContainerInsights",
                    "MetricName": METRIC,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in one.dimensions],
                },
                "Period": 60,
                "Stat": "Average",
            },
        }
        for number, one in enumerate(asked)
    ]
    cpu, rows = time.process_time(), 0
    for first in range(0, len(queries), 420):
        page = client.get_metric_data(
            MetricDataQueries=queries[first : first + 420], StartTime=NOW - timedelta(hours=4), EndTime=NOW
        )
        rows += sum(len(result["Values"]) for result in page["MetricDataResults"])
    return {"cpu": time.process_time() - cpu, "rows": float(rows), "points": float(rows)}


def series(pages: int) -> list[Any]:
    from pipeline.sources.cloudwatch import Series

    found = [Aws.fleet._metric(number)["Dimensions"] for number in range(420 * pages)]
    return [Series(METRIC, tuple((pair["Name"], pair["Value"]) for pair in pairs)) for pairs in found]


def child(what: str, home: Path) -> None:
    """Do one thing and print its figures as JSON."""
    before = {"first": 0, "hourly": 1}
    used = pull(home, before[what]) if what in before else {"boto3": peer, "parse": parse_only}[what](PEER_PAGES)
    used["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(used))


def measure(what: str, port: int, home: Path) -> dict[str, float]:
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    command = [sys.executable, "-m", "bench.cloudwatch_pull", "--child", what, "--home", str(home)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> int:
    """Measure all and print a table; 1 when a bar is missed."""
    ports: Any = multiprocessing.Queue()
    aws = multiprocessing.Process(target=serve, args=(ports,), daemon=True)
    aws.start()
    port = ports.get()
    with tempfile.TemporaryDirectory() as folder:
        used = {what: measure(what, port, Path(folder) / what) for what in ("boto3", "parse", "first", "hourly")}
    aws.terminate()
    return report(used)


def report(used: dict[str, dict[str, float]]) -> int:
    """Print the table; 1 when a bar is missed."""
    names = {
        "boto3": "boto3's own get_metric_data",
        "parse": "bytes to Arrow batches",
        "first": "whole pull, all of its four hours new",
        "hourly": "whole pull, one of its four hours new",
    }
    base = used["boto3"]["cpu"] / used["boto3"]["points"]
    ratios = {what: base / (one["cpu"] / one["points"]) for what, one in used.items()}
    heads = (
        f"{'points':>12}{'rows':>12}{'CPU s':>8}{'points/CPU-s':>14}{'rows/CPU-s':>12}{'peak MiB':>10}{'x boto3':>9}"
    )
    print(f"{'step':<40}{heads}")
    for what, name in names.items():
        one = used[what]
        amounts = f"{one['points']:>12,.0f}{one['rows']:>12,.0f}{one['cpu']:>8.2f}{one['points'] / one['cpu']:>14,.0f}"
        print(f"{name:<40}{amounts}{one['rows'] / one['cpu']:>12,.0f}{one['peak_mib']:>10.0f}{ratios[what]:>9.1f}")
    bars = {
        f"hourly pull ≥ {NEEDED_RATE:,.0f} committed rows per CPU-s": used["hourly"]["rows"] / used["hourly"]["cpu"]
        >= NEEDED_RATE,
        f"hourly pull ≥ {NEEDED_RATIO:.0f} x boto3's parse of the same pages": ratios["hourly"] >= NEEDED_RATIO,
        "peak ≤ 1 GiB": max(one["peak_mib"] for one in used.values()) <= NEEDED_PEAK_MIB,
    }
    for bar, is_met in bars.items():
        print(f"{'met   ' if is_met else 'missed'} {bar}")
    return int(not all(bars.values()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", choices=("boto3", "parse", "first", "hourly"))
    parser.add_argument("--home", type=Path)
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.child, chosen.home)
    else:
        sys.exit(main())
