"""`chipledger workloads`: which rule or fallback names a workload, and why the others do not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli_output import say, show

if TYPE_CHECKING:
    from pipeline.explain import Explanation, Facts

app = typer.Typer(
    help="Which workload something is, and why.",
    epilog="Example: chipledger workloads explain bot-3 --namespace ml",
    no_args_is_help=True,
    rich_markup_mode=None,
)
NAMES = ("subject", "workload_id", "workload", "team", "kind", "cost_center", "attribution_rule")
AsJson = Annotated[bool, typer.Option("--json", help="An array of objects instead of a table.")]


@app.callback()
def workloads() -> None:
    """Keep `explain` a command of its own: more will stand beside it."""


@app.command(epilog="Example: chipledger workloads explain ranker-7d9f8b6c5d-x2k4z --namespace search")
def explain(
    pods: Annotated[
        list[str] | None, typer.Argument(metavar="[POD…]", help="Pod names; none for a job or tag.")
    ] = None,
    namespace: Annotated[str, typer.Option(help="Kubernetes namespace.")] = "",
    container: Annotated[str, typer.Option(help="Container.")] = "",
    owner: Annotated[str, typer.Option(help="The pod's controller as Kind/name, as StatefulSet/llama.")] = "",
    label: Annotated[list[str] | None, typer.Option(help="Pod label key=value; repeat it for more.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Instance tag key=value; repeat it for more.")] = None,
    slurm_job: Annotated[str, typer.Option(help="Slurm job.")] = "",
    runtime_tag: Annotated[str, typer.Option(help="Neuron runtime tag.")] = "",
    cluster: Annotated[str, typer.Option(help="Cluster.")] = "",
    account: Annotated[str, typer.Option(help="Account id.")] = "",
    service: Annotated[str, typer.Option(help="A line of the bill: its product code, as AmazonSageMaker.")] = "",
    resource: Annotated[str, typer.Option(help="A line of the bill: its resource, mostly an ARN.")] = "",
    usage_type: Annotated[str, typer.Option(help="A line of the bill: its usage type.")] = "",
    bill_tag: Annotated[list[str] | None, typer.Option(help="Tag of the line key=value; repeat it.")] = None,
    cost_category: Annotated[list[str] | None, typer.Option(help="Cost category key=value; repeat it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say which rule of workloads.toml or which fallback names the workload, by the SQL that the build runs."""
    from pipeline.explain import Facts

    _require_subject(bool(pods or slurm_job or runtime_tag), bool(service or resource or usage_type), owner)
    facts = Facts(
        namespace=namespace, container=container, owner=owner, hpc_job=slurm_job, runtime_tag=runtime_tag,
        cluster=cluster, account=account, service=service, resource=resource, usage_type=usage_type,
        labels=_pairs(label, "--label"), tags=_pairs(tag, "--tag"), bill_tags=_pairs(bill_tag, "--bill-tag"),
        cost_categories=_pairs(cost_category, "--cost-category"),
    )  # fmt: skip
    _answer([replace(facts, pod=pod) for pod in pods or [""]], as_json=as_json)


def _require_subject(has_owner: bool, has_line: bool, owner: str) -> None:
    from pipeline.errors import UsageError

    asks = (
        "name a POD, or give --slurm-job or --runtime-tag, or else of a line of the bill --service, --resource or "
        "--usage-type"
    )
    if has_owner == has_line:
        raise UsageError(f"{'two things at once' if has_owner else 'nothing to explain'}: {asks}")
    if owner and not all(owner.partition("/")):
        raise UsageError(f"--owner {owner!r}: write Kind/name, as StatefulSet/llama")


def _answer(subjects: list[Facts], *, as_json: bool) -> None:
    from pipeline import attribution, settings, steps
    from pipeline.explain import explain as ask

    rules, models = attribution.read_rules(settings.load().workloads), steps.models_here()
    _show([ask(facts, rules, models) for facts in subjects], as_json=as_json)


def _show(answers: list[Explanation], *, as_json: bool) -> None:
    if as_json:
        rows = [(*(getattr(one, name) for name in NAMES), [vars(step) for step in one.steps]) for one in answers]
        show((*NAMES, "steps"), rows, as_json=True)
        return
    for one in answers:
        for name in NAMES:
            say(f"{name + ':':<18}{getattr(one, name) or '-'}")
        show(("step", "outcome", "why"), [(step.step, step.outcome, step.why) for step in one.steps], as_json=False)


def _pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    from pipeline.errors import UsageError

    pairs = {}
    for text in texts or []:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UsageError(f"{option} {text!r}: write key=value")
        pairs[key] = value
    return pairs
