"""deploy/terraform is whole in itself and says the same as the code: its columns, its metrics, its permissions."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.settings import known_names
from pipeline.sources.cloudwatch_series import NAMESPACE, RULES
from pipeline.sources.cur_columns import REQUIRED, USED
from pipeline.sources.cur_splits import SPLIT_COLUMNS
from tests.support.hcl import blocks, folder_text, local_names, references

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FOLDERS = [DEPLOY / "terraform", DEPLOY / "terraform" / "reader"]
READS = json.loads((DEPLOY / "terraform" / "reads.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def module() -> str:
    return folder_text(DEPLOY / "terraform")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_reference_resolves_and_everything_declared_is_used(folder: Path) -> None:
    text = folder_text(folder)
    found = blocks(text)
    declared = {block.address for block in found if block.kind in ("variable", "resource", "data")}
    declared |= {f"local.{name}" for name in local_names(found)}
    assert references(text) - declared == set(), "named, but declared nowhere"
    idle = {name for name in declared - references(text) if name.startswith(("var.", "local.", "data."))}
    assert idle == set(), "declared, but used nowhere"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_variable_and_output_is_explained_and_every_variable_has_a_type(folder: Path) -> None:
    for block in blocks(folder_text(folder)):
        if block.kind in ("variable", "output"):
            assert re.search(r'^  description = "\S.+\."$', block.body, re.MULTILINE), block.labels
        if block.kind == "variable":
            assert re.search(r"^  type\s+= \S", block.body, re.MULTILINE), block.labels


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('locals {\n  a = [1, 2\n}\n', "closes nothing"),
        ('locals {\n  a = "}"\n', "stays open"),
        ('locals {\n}\nstray\n', "outside every block"),
    ],
)  # fmt: skip
def test_broken_terraform_is_noticed(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        blocks(text)


def test_references_in_texts_count_and_plain_texts_do_not() -> None:
    assert references('a = "${var.name}-x ${local.b["c"]} var.no"\nb = aws_s3_bucket.c.arn') == {
        "var.name",
        "local.b",
        "aws_s3_bucket.c",
    }


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on this machine")
def test_terraform_itself_reads_the_files() -> None:
    command = ["terraform", "fmt", "-check", "-recursive", str(DEPLOY / "terraform")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"not in terraform's own format: {done.stdout}{done.stderr}"


def test_the_cost_export_holds_exactly_the_columns_that_are_read() -> None:
    """To mend it, write sorted({*USED, *SPLIT_COLUMNS}) into deploy/terraform/reads.json."""
    assert READS["cur_columns"] == sorted({*USED, *SPLIT_COLUMNS})
    assert set(REQUIRED) <= set(READS["cur_columns"])
    assert all(re.fullmatch("[a-z][a-z0-9_]+", column) for column in READS["cur_columns"])


def test_private_discounts_come_as_lines_of_the_bill(module: str) -> None:
    assert re.search(r'INCLUDE_MANUAL_DISCOUNT_COMPATIBILITY\s+= "TRUE"', module)


def test_the_metric_stream_sends_exactly_the_metrics_that_are_read() -> None:
    """To mend it, write sorted(RULES) of pipeline/sources/cloudwatch_series.py into deploy/terraform/reads.json."""
    assert READS["metric_names"] == sorted(RULES)
    assert READS["metric_namespace"] == NAMESPACE


def test_the_log_subscription_sends_exactly_the_events_that_are_read() -> None:
    emf = pytest.importorskip("pipeline.sources.emf_event", reason="Container Insights log events are not read yet")
    assert READS["log_event_types"] == sorted(emf.READERS)


def test_every_resource_that_the_policy_names_is_cut_to_this_account_s(module: str) -> None:
    """A statement whose Sid has no scope would keep the example's resources."""
    scopes = re.search(r"scopes = \{(.*?)\n  \}", module, re.DOTALL)
    assert scopes
    scoped = set(re.findall(r"^    (\w+)\s*=", scopes[1], re.MULTILINE))
    statements = json.loads((DEPLOY / "iam-policy.json").read_text("utf-8"))["Statement"]
    assert {each["Sid"] for each in statements if each["Resource"] != ["*"]} <= scoped


def test_of_a_cost_export_the_manifest_alone_is_told(module: str) -> None:
    assert 'manifests = "-Manifest.json"' in module
    assert 'filter_suffix = queue.key == "costs" ? local.manifests : ""' in module


def test_what_firehose_could_not_deliver_is_neither_swept_nor_told(module: str) -> None:
    prefixes = re.search(r"arrivals\s+= \{(.*?)\}", module)
    errors = re.search(r'errors\s+= "(.*?)"', module)
    assert prefixes
    assert errors
    assert not any(errors[1].startswith(prefix) for prefix in re.findall(r'"(.*?)"', prefixes[1]))


def test_the_settings_handed_out_are_settings(module: str) -> None:
    output = next(block for block in blocks(module) if block.labels == ("settings",))
    named = set(re.findall(r"CHIPLEDGER_\w+", output.body))
    assert {"CHIPLEDGER_INBOX", "CHIPLEDGER_REGIONS"} <= named <= known_names()


def test_the_page_shows_variables_and_outputs_that_exist(module: str) -> None:
    page = (DEPLOY.parent / "docs" / "deploy.md").read_text("utf-8")
    declared = {block.labels[0] for block in blocks(module) if block.kind in ("variable", "output")}
    example = re.search(r"```hcl\n(.*?)```", page, re.DOTALL)
    assert example
    shown = set(re.findall(r"^(\w+)\s*=", example[1], re.MULTILINE)) | set(re.findall(r"output -json (\w+)", page))
    assert len(shown) > 5
    assert shown <= declared
    required = {block.labels[0] for block in blocks(module) if block.kind == "variable" and "default" not in block.body}
    assert required <= shown, "the example does not apply"
