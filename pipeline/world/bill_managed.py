"""AI that the bill alone knows: SageMaker, HyperPod, AWS Batch on Fargate, Bedrock; each line with its true workload.

Prices are near list, us-east-1, 2026; what matters is that they are constant. Usage types and tags are spelled as AWS
does: HyperPod is billed under AmazonSageMaker as `Cluster:ml.<type>`, training jobs carry the time behind their name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from pipeline.world.fleet import Fleet
from pipeline.world.lines import USAGE, Line, for_seconds, hours, units
from pipeline.world.options import END, SECONDS_PER_DAY, SECONDS_PER_HOUR, WorldOptions, instant
from pipeline.world.plan import Account
from pipeline.world.seeds import hexadecimal, stream

ENDPOINT_TYPE, ENDPOINT_USD = "ml.g6.12xlarge", Decimal("5.752")
TRAINING_TYPE, TRAINING_USD = "ml.p5.48xlarge", Decimal("63.296")
HYPERPOD_TYPE, HYPERPOD_USD = "ml.trn1.32xlarge", Decimal("24.725")
FARGATE_USD_PER_VCPU_HOUR = Decimal("0.04048")
TRAINING_HOURS = range(9, 13)  # of each day
BATCH_HOURS = range(2, 5)

# model, usage-type word, USD per 1k tokens in and out, and whether the line names the model by its ARN
MODELS = (
    ("anthropic.claude-sonnet-4-v1:0", "Claude4Sonnet", Decimal("0.003"), Decimal("0.015"), True),
    ("amazon.titan-embed-text-v2:0", "TitanEmbeddingV2-Text", Decimal("0.00002"), Decimal("0.00002"), False),
)


@dataclass(frozen=True)
class _Kind:
    """What lines of one kind have in common."""

    product: str
    usage_type: str
    resource: str
    workload: str
    instance_type: str = ""
    tags: tuple[tuple[str, str], ...] = ()


def managed_lines(options: WorldOptions, fleet: Fleet) -> list[Line]:
    """Hourly lines of SageMaker, HyperPod and Batch, daily ones of Bedrock; none unless the options ask for them."""
    if not options.managed:
        return []
    lines: list[Line] = []
    for hour in range(options.start, END, SECONDS_PER_HOUR):
        lines += _hourly(fleet, hour)
    for day in range(options.start, END, SECONDS_PER_DAY):
        lines += _tokens(options, fleet.accounts["serving"], day)
    return lines


def _hourly(fleet: Fleet, hour: int) -> Iterator[Line]:
    serving, training, research = (fleet.accounts[key] for key in ("serving", "training", "research"))
    of_day = instant(hour).hour
    endpoint = _Kind(
        *("AmazonSageMaker", f"Host:{ENDPOINT_TYPE}", _arn("sagemaker", serving, "endpoint/ranker-v2")),
        *("-/-/sagemaker-endpoint/ranker-v2", ENDPOINT_TYPE, (("user_Team", "Search"),)),
    )
    yield _line(hour, 3600, serving, endpoint, hours(3600), for_seconds(units(ENDPOINT_USD), 3600))
    cluster = hexadecimal(12, training.account_id, "hyperpod")
    hyperpod = _Kind(
        *("AmazonSageMaker", f"Cluster:{HYPERPOD_TYPE}", _arn("sagemaker", training, f"cluster/{cluster}")),
        *(f"-/-/hyperpod/{cluster}", HYPERPOD_TYPE, (("user_team", "pretraining"),)),
    )
    yield _line(hour, 3600, training, hyperpod, hours(3600), for_seconds(units(HYPERPOD_USD), 3600))
    if of_day in TRAINING_HOURS:
        job = f"llama-finetune-{instant(hour - hour % SECONDS_PER_DAY):%Y-%m-%d}-09-00-04-317"
        train = _Kind(
            *("AmazonSageMaker", f"Train:{TRAINING_TYPE}", _arn("sagemaker", research, f"training-job/{job}")),
            *("-/-/sagemaker-training/llama-finetune", TRAINING_TYPE),
        )
        yield _line(hour, 3600, research, train, hours(3600), for_seconds(units(TRAINING_USD), 3600))
    if of_day in BATCH_HOURS:
        task = hexadecimal(32, research.account_id, hour, "task")
        tags = (("aws_batch_job_definition", "tokenize-corpus:7"), ("aws_batch_job_queue", "nightly"))
        batch = _Kind(
            *("AmazonECS", "Fargate-vCPU-Hours:perCPU", _arn("ecs", research, f"task/AWSBatch-nightly/{task}")),
            *("AWSBatch-nightly/-/batch-job/tokenize-corpus", "", tags),
        )
        yield _line(hour, 3600, research, batch, Decimal(16), units(16 * FARGATE_USD_PER_VCPU_HOUR))


def _tokens(options: WorldOptions, account: Account, day: int) -> Iterator[Line]:
    for model, word, price_in, price_out, has_arn in MODELS:
        draw = stream(options.seed, "tokens", model, day)
        for side, price, thousands in (
            ("input", price_in, 40_000 + draw.randrange(2_000)),
            ("output", price_out, 9_000 + draw.randrange(500)),
        ):
            arn = f"arn:aws:bedrock:{account.region}::foundation-model/{model}" if has_arn else ""
            workload = f"-/-/bedrock-model/{model if has_arn else word}"
            kind = _Kind("AmazonBedrock", f"{word}-{side}-tokens", arn, workload)
            yield _line(day, SECONDS_PER_DAY, account, kind, Decimal(thousands), units(thousands * price))


def _arn(service: str, account: Account, rest: str) -> str:
    return f"arn:aws:{service}:{account.region}:{account.account_id}:{rest}"


def _line(start: int, seconds: int, account: Account, kind: _Kind, amount: Decimal, cost: int) -> Line:
    prefix = {"us-east-1": "USE1-", "us-west-2": "USW2-"}[account.region]
    return Line(
        start, start + seconds, account.account_id, USAGE, kind.product, prefix + kind.usage_type, "", kind.resource,
        kind.instance_type, account.region, amount, cost, list_cost=cost, description=kind.usage_type, tags=kind.tags,
        workload=kind.workload,
    )  # fmt: skip
