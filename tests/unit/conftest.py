"""Small true files of every format, and an empty warehouse to land them in."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.warehouse import bootstrap, open_warehouse
from tests.support.ledgers import Ledger

EXPORT = "fleet-cur"
LINE = {
    "identity_line_item_id": "line-1",
    "bill_payer_account_id": "111122223333",
    "line_item_usage_start_date": datetime(2026, 10, 1, tzinfo=UTC),
    "line_item_usage_end_date": datetime(2026, 10, 1, 1, tzinfo=UTC),
    "line_item_usage_account_id": "444455556666",
    "line_item_line_item_type": "Usage",
    "line_item_product_code": "AmazonEC2",
    "line_item_usage_type": "USE1-BoxUsage:p5.48xlarge",
    "line_item_operation": "RunInstances",
    "line_item_resource_id": "i-0123456789abcdef0",
    "line_item_currency_code": "USD",
    "line_item_usage_amount": 1.0,
    "line_item_unblended_cost": 55.04,
    "product": [("instance_type", "p5.48xlarge"), ("region_code", "us-east-1")],
    "resource_tags": [("user_team", "search"), ("user_app", "rank")],
}
MAPS = {name: pa.map_(pa.string(), pa.string()) for name in ("product", "resource_tags")}


class SmallFiles:
    """Writes files of every format under one folder; each method gives the path written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
        return path

    def scrape(self, stamp: str, busy: int = 50, host: str = "node-1", folder: str = "dcgm") -> Path:
        labels = f'gpu="0",UUID="GPU-{host}",device="nvidia0",modelName="NVIDIA H100 80GB HBM3",Hostname="{host}"'
        text = f"# TYPE DCGM_FI_DEV_GPU_UTIL gauge\nDCGM_FI_DEV_GPU_UTIL{{{labels}}} {busy}\n"
        return self.write(f"{folder}/{host}-{stamp}.prom", text)

    def instances(self, name: str, *instance_ids: str, observed_at: str = "2026-10-01T00:00:00Z") -> Path:
        lines = [json.dumps({**instance(each), "observed_at": observed_at}) for each in instance_ids]
        return self.write(f"inventory/{name}", "\n".join(lines) + "\n")

    def cost_page(self, name: str, document: Mapping[str, object] | None = None) -> Path:
        return self.write(f"cost_explorer/{name}", json.dumps(document or cost_page()))

    def chunk(self, name: str, lines: Sequence[Mapping[str, object]], period: str = "2026-10") -> Path:
        path = self.folder / f"cur/{EXPORT}/data/BILLING_PERIOD={period}/{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {key: [line.get(key) for line in lines] for key in lines[0]}
        arrays = {key: pa.array(values, MAPS.get(key)) for key, values in columns.items()}
        pq.write_table(pa.table(arrays), path)
        return path

    def manifest(self, files: Sequence[str], period: str = "2026-10", execution: str = "run-1", **more: object) -> Path:
        base = f"s3://bills/exports/{EXPORT}/data/BILLING_PERIOD={period}"
        document = {
            "exportName": EXPORT,
            "billingPeriod": period,
            "executionId": execution,
            "creationTime": "2026-10-03T05:00:00Z",
            "dataFiles": [f"{base}/{file}" for file in files],
            **more,
        }
        name = f"cur/{EXPORT}/metadata/BILLING_PERIOD={period}/{EXPORT}-Manifest.json"
        return self.write(name, json.dumps(document))


def instance(instance_id: str) -> dict[str, object]:
    return {
        "InstanceId": instance_id,
        "InstanceType": "p5.48xlarge",
        "LaunchTime": "2026-09-30T22:15:00+00:00",
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "PrivateDnsName": "ip-10-0-0-7.ec2.internal",
        "State": {"Code": 16, "Name": "running"},
        "StateTransitionReason": "",
        "Tags": [{"Key": "team", "Value": "search"}, {"Key": "aws:eks:cluster-name", "Value": "blue"}],
        "OwnerId": "444455556666",
        "Region": "us-east-1",
    }


def cost_page(**changes: object) -> dict[str, object]:
    amounts = {"UnblendedCost": "1320.9600000001", "AmortizedCost": "1320.96", "UsageQuantity": "24"}
    metrics = {
        key: {"Amount": value, "Unit": "Hrs" if key[0:5] == "Usage" else "USD"} for key, value in amounts.items()
    }
    result = {
        "TimePeriod": {"Start": "2026-10-01", "End": "2026-10-02"},
        "Total": {},
        "Groups": [{"Keys": ["Usage", "USE1-BoxUsage:p5.48xlarge"], "Metrics": metrics}],
        "Estimated": True,
    }
    account = {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": ["444455556666"]}}
    definitions = [{"Type": "DIMENSION", "Key": key} for key in ("RECORD_TYPE", "USAGE_TYPE")]
    page = {"GroupDefinitions": definitions, "ResultsByTime": [result], "DimensionValueAttributes": []}
    return {**page, "Request": {"Filter": account}, **changes}


@pytest.fixture
def small_files(tmp_path: Path) -> SmallFiles:
    """A writer of small true files into an empty inbox."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return SmallFiles(folder)


@pytest.fixture
def bill_line() -> dict[str, object]:
    """One CUR 2.0 line of a p5 hour, 55.04 USD."""
    return dict(LINE)


@pytest.fixture
def one_cost_page() -> dict[str, object]:
    """A Cost Explorer page with its Request: one day, one group, one account."""
    return cost_page()


@pytest.fixture
def one_instance() -> dict[str, object]:
    """One EC2 Instance object as an inventory line holds it."""
    return instance("i-0123456789abcdef0")


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse file with every raw and state table, empty: to copy, which costs a tenth of making one."""
    path = tmp_path_factory.mktemp("empty") / "warehouse.duckdb"
    with open_warehouse(path) as conn:
        bootstrap(conn)
    return path


@pytest.fixture
def begun_home(home: Path, empty_warehouse: Path) -> Path:
    """A ledger home in which nothing but an empty warehouse lies."""
    home.mkdir()
    shutil.copyfile(empty_warehouse, home / "warehouse.duckdb")
    return home


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build of an empty home leaves, made once."""
    ledger = Ledger(tmp_path_factory.mktemp("built") / "ledger", datetime.now(UTC))
    ledger.publish()
    return ledger.home


@pytest.fixture
def built_home(home: Path, built: Path) -> Path:
    """The home of a test, in which nothing was ever delivered, built and published."""
    return shutil.copytree(built, home)


@contextmanager
def in_memory(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as conn:
        conn.execute("set timezone = 'UTC'")
        conn.execute(f"attach '{warehouse}' as warehouse (read_only)")
        conn.execute("copy from database warehouse to memory")
        conn.execute("detach warehouse")
        yield conn


@pytest.fixture(scope="module")
def two_raw_conns(empty_warehouse: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]]:
    """Two warehouses in memory to compare, kept over the examples of a property: empty them before each."""
    with in_memory(empty_warehouse) as one, in_memory(empty_warehouse) as other:
        yield one, other


@pytest.fixture
def raw_conn(empty_warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse in memory, in UTC, with every raw and state table, empty."""
    with in_memory(empty_warehouse) as conn:
        yield conn
