"""What AWS or the network refuses: one sentence that says what to do, exit code 1, and nothing half-written."""

from __future__ import annotations

import dataclasses
import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from pipeline import cli, settings, steps
from tests.support.aws_wall import Refusal, Stranger, Wall, wall
from tests.support.ledgers import CLOCK, Ledger

SCRAPE = '# TYPE DCGM_FI_DEV_GPU_UTIL gauge\nDCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",Hostname="n"} 50\n'
OBJECT = "dcgm/n-20261001T000100Z.prom"
PORTAL = Stranger(b"<html><body>please sign in</body></html>")
RENEW = "the credentials are wrong or have expired: renew them, then run again"
UNKNOWN = "wrong credentials, or a region that this account has not enabled: renew them or enable it, then run again"
Chipledger = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def running() -> Iterator[Wall]:
    with wall() as running:
        yield running


@pytest.fixture
def aws(running: Wall, home: Path, monkeypatch: pytest.MonkeyPatch) -> Wall:
    """All services at one endpoint, telling the truth until told otherwise; clients retry without waiting."""
    running.instead, running.cut_after, running.asked = {}, None, []
    running.objects = {OBJECT: SCRAPE.encode()}
    more = {"ACCESS_KEY_ID": "AKIA", "SECRET_ACCESS_KEY": "secret", "ENDPOINT_URL": running.url}
    for name, value in (more | {"DEFAULT_REGION": "us-east-1", "EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    return running


@pytest.fixture
def chipledger(aws: Wall, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Chipledger:
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["chipledger", *words])
        monkeypatch.setenv("CHIPLEDGER_NOW", CLOCK.isoformat())
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An inbox on disk that is well."""
    path = tmp_path / "inbox"
    path.mkdir()
    (path / "n-20261001T000100Z.prom").write_text(SCRAPE)
    return path


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home into which one scrape was taken."""
    folder = tmp_path_factory.mktemp("landed")
    (folder / "n-20261001T000000Z.prom").write_text(SCRAPE)
    ledger = Ledger(folder / "ledger")
    assert ledger.ingest(folder).count("landed") == 1
    return ledger.home


def contents(home: Path) -> dict[str, object]:
    """Every file of a home, and of its warehouse every row of every table."""
    files = sorted(path.relative_to(home).as_posix() for path in home.rglob("*"))
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as conn:
        tables = [name for (name,) in conn.execute("select table_name from duckdb_tables()").fetchall()]
        filled = {name: conn.execute(f"from {name} order by all").fetchall() for name in tables}
    return {"files": files, **{name: rows for name, rows in filled.items() if rows}}


def refused_bucket(chipledger: Chipledger, home: Path, landed: Path) -> str:
    """What `ingest s3://inbox/fleet/` says; it must be one sentence, with exit code 1, and leave the home as it was."""
    shutil.copytree(landed, home)
    before = contents(home)
    code, out, err = chipledger("ingest", "s3://inbox/fleet/", "--json")
    assert (code, err) == (1, "")
    assert contents(home) == before
    assert "raw_dcgm_samples" in before
    reasons = [
        line.partition('"reason": ')[2].partition(', "next_step"')[0] for line in out.splitlines() if "{" in line
    ]
    (reason,) = reasons
    assert "\\n" not in reason
    assert "Traceback" not in out
    return reason.strip('"')


BUCKET_REFUSALS = {
    "wrong key": (Refusal("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist"), RENEW),
    "wrong secret": (Refusal("SignatureDoesNotMatch", "The request signature we calculated does not match"), RENEW),
    "expired token": (Refusal("ExpiredToken", "The provided token has expired.", 400), RENEW),
    "denied": (
        Refusal("AccessDenied", "Access Denied"),
        "allow s3:ListBucket on arn:aws:s3:::inbox to this identity",
    ),
    "missing bucket": (
        Refusal("NoSuchBucket", "The specified bucket does not exist", 404),
        "there is no such bucket: correct its name in CHIPLEDGER_INBOX or on the command line",
    ),
    "wrong region, redirected": (
        Refusal("PermanentRedirect", "must be addressed using", 301, {"x-amz-bucket-region": "eu-west-1"}),
        "the bucket lies in eu-west-1: set AWS_DEFAULT_REGION=eu-west-1, then run again",
    ),
    "wrong region, signed": (
        Refusal("AuthorizationHeaderMalformed", "the region is wrong", 400, extra="<Region>eu-west-1</Region>"),
        "the bucket lies in eu-west-1: set AWS_DEFAULT_REGION=eu-west-1, then run again",
    ),
    "clock": (
        Refusal("RequestTimeTooSkewed", "The difference is too large"),
        "the clock of this machine is wrong: set it, then run again",
    ),
    "not AWS": (PORTAL, "check AWS_ENDPOINT_URL, then run again"),
    "not AWS, not found": (dataclasses.replace(PORTAL, status=404), "what answers is not S3: check AWS_ENDPOINT_URL"),
}


@pytest.mark.parametrize("case", BUCKET_REFUSALS)
def test_a_bucket_that_refuses_is_one_sentence_and_changes_nothing(
    case: str, aws: Wall, chipledger: Chipledger, home: Path, landed: Path
) -> None:
    aws.instead["s3"], advice = BUCKET_REFUSALS[case]
    said = refused_bucket(chipledger, home, landed)
    assert said.startswith("s3://inbox/fleet/: ")
    assert advice in said


DOWNLOAD_REFUSALS = {
    "denied": (Refusal("AccessDenied"), "allow s3:GetObject on arn:aws:s3:::inbox/dcgm/n-20261001T000100Z.prom to"),
    "gone": (Refusal("NoSuchKey", status=404), "it was deleted after it was listed: run again"),
    "expired": (Refusal("ExpiredToken", status=400), "the credentials have expired, or AWS_DEFAULT_REGION is not"),
}


@pytest.mark.parametrize("case", DOWNLOAD_REFUSALS)
def test_an_object_that_cannot_be_downloaded_is_one_sentence_and_the_others_land(
    case: str, aws: Wall, chipledger: Chipledger, home: Path, folder: Path
) -> None:
    aws.instead["s3:GetObject"], advice = DOWNLOAD_REFUSALS[case]
    code, out, _ = chipledger("ingest", "s3://inbox/", str(folder))
    assert code == 1
    assert advice in out
    assert "1 landed (2 rows), 0 known already, 1 refused" in out


def test_a_download_that_breaks_off_leaves_nothing(aws: Wall, chipledger: Chipledger, home: Path, landed: Path) -> None:
    aws.cut_after = 40
    said = refused_bucket(chipledger, home, landed)
    assert said.endswith("the download broke off (max retries exceeded); check the network, then run again")
    aws.cut_after = None
    assert chipledger("ingest", "s3://inbox/fleet/")[0] == 0


def test_a_bucket_name_that_cannot_be_one_says_so(aws: Wall, chipledger: Chipledger) -> None:
    code, out, _ = chipledger("ingest", "s3://In Box/x")
    assert code == 1
    assert 'Invalid bucket name "In Box"' in out
    assert "write s3://bucket/prefix" in out
    assert aws.asked == []


API_REFUSALS = {
    "wrong key": (
        {
            "sts": Refusal("InvalidClientTokenId", "The security token included in the request is invalid."),
            "ce": Refusal("UnrecognizedClientException", "The security token is invalid.", 400),
        },
        UNKNOWN,
        UNKNOWN,
    ),
    "other region": (
        {
            "sts": Refusal("SignatureDoesNotMatch", "Credential should be scoped to a valid region, not 'us-east-1'."),
            "ce": Refusal("InvalidSignatureException", "Credential should be scoped to a valid region.", 400),
        },
        "correct CHIPLEDGER_REGIONS or AWS_ENDPOINT_URL, then run again",
        "correct CHIPLEDGER_REGIONS or AWS_ENDPOINT_URL, then run again",
    ),
    "expired token": (
        {"sts": Refusal("ExpiredToken", "expired"), "ce": Refusal("ExpiredTokenException", "expired", 400)},
        RENEW,
        RENEW,
    ),
    "denied": (
        {
            "cloudwatch": Refusal("AccessDenied", "User: x is not authorized"),
            "ce": Refusal("AccessDeniedException", "User: x is not authorized", 400),
        },
        "allow cloudwatch:ListMetrics to this identity",
        "allow ce:GetCostAndUsage to this identity",
    ),
    "not AWS": ({"sts": PORTAL, "ce": PORTAL}, "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL"),
}


SITS_OUT_RETRIES = {"not AWS"}


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=pytest.mark.slow if name in SITS_OUT_RETRIES else ()) for name in API_REFUSALS]
)
def test_an_api_that_refuses_is_one_sentence_and_other_sources_land(
    case: str, aws: Wall, home: Path, folder: Path
) -> None:
    aws.instead, of_metrics, of_bill = API_REFUSALS[case]
    values = settings.load(inbox=(str(folder),), regions=("us-east-1",), cost_explorer=True)
    ingested = steps.ingest_metrics(values, CLOCK) + steps.ingest_costs(values, CLOCK)
    metrics, bill = [one.words for one in ingested.unreachable]
    assert ingested.count("landed") == 1
    for said, place, advice in ((metrics, "CloudWatch us-east-1: ", of_metrics), (bill, "Cost Explorer: ", of_bill)):
        assert said.startswith(place)
        assert advice in said
        assert "\n" not in said


def test_no_network_is_one_sentence_per_source(
    aws: Wall, home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        values = settings.load(inbox=("s3://inbox/", str(folder)), regions=("us-east-1",), cost_explorer=True)
        ingested = steps.ingest_metrics(values, CLOCK) + steps.ingest_costs(values, CLOCK)
    assert ingested.count("landed") == 1
    assert [one.object for one in ingested.unreachable] == ["s3://inbox/", "CloudWatch us-east-1", "Cost Explorer"]
    for one in ingested.unreachable:
        assert 'Could not connect to the endpoint URL: "http://127.0.0.1:' in one.words
        assert one.words.endswith("check network, region and AWS_ENDPOINT_URL, then run again")
        assert "\n" not in one.words


def doctor(chipledger: Chipledger) -> tuple[int, dict[str, tuple[str, str]]]:
    code, out, _ = chipledger("doctor", "--json")
    return code, {finding["part"]: (finding["status"], finding["what"]) for finding in json.loads(out)}


def test_doctor_finds_a_home_in_order_and_names_what_is_refused(
    aws: Wall, chipledger: Chipledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHIPLEDGER_INBOX", "s3://inbox/")
    monkeypatch.setenv("CHIPLEDGER_REGIONS", "us-east-1")
    code, found = doctor(chipledger)
    assert (code, found["inbox"], found["cloudwatch"][0]) == (0, ("ok", "s3://inbox/: 1 objects"), "ok")

    aws.instead = {"s3": Refusal("AccessDenied"), "cloudwatch": Refusal("AccessDenied")}
    code, found = doctor(chipledger)
    assert (code, found["inbox"][0], found["cloudwatch"][0]) == (1, "fail", "fail")
    assert "allow s3:ListBucket on arn:aws:s3:::inbox" in found["inbox"][1]
    assert "allow cloudwatch:GetMetricData" in found["cloudwatch"][1]

    aws.instead = {"cloudwatch": Stranger(b"{}")}
    code, found = doctor(chipledger)
    assert (code, found["cloudwatch"][0]) == (1, "fail")
    assert "check AWS_ENDPOINT_URL" in found["cloudwatch"][1]


@pytest.mark.slow
def test_a_pass_with_every_aws_source_down_publishes_the_rest_and_ends_with_one(
    aws: Wall, chipledger: Chipledger, home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = Refusal("AccessDenied", "Access Denied")
    aws.instead = {"s3": denied, "sts": denied, "ce": Refusal("AccessDeniedException", "no", 400)}
    more = {"INBOX": f"s3://inbox/,{folder}", "REGIONS": "us-east-1", "COST_EXPLORER": "true"}
    for name, value in more.items():
        monkeypatch.setenv(f"CHIPLEDGER_{name}", value)
    code, out, err = chipledger("run")
    assert code == 1
    assert "Traceback" not in out + err
    for permission in ("s3:ListBucket", "sts:GetCallerIdentity", "ce:GetCostAndUsage"):
        assert out.count(f"allow {permission}") == 1
    assert (home / "published" / "marts.duckdb").is_file()
    code, out, _ = chipledger("query", "select count(*) as n from dim_accelerator", "--json")
    assert '"n": 1' in out
