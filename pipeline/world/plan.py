"""The plan of the fleet: which roles exist, in which account and cluster, bought how, seen how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.world.options import WorldOptions
from pipeline.world.seeds import stream

ON_DEMAND = "on_demand"
SPOT = "spot"
SAVINGS_PLAN = "savings_plan"
PARTIAL_SAVINGS_PLAN = "partial_savings_plan"
PRIVATE = "private"
BLOCK = "capacity_block"

EKS = "eks"
SLURM = "slurm"


@dataclass(frozen=True)
class Account:
    """An AWS account; `octet` is the second byte of its private addresses."""

    key: str
    account_id: str
    name: str
    region: str
    octet: int


@dataclass(frozen=True)
class Cluster:
    """An EKS or Slurm cluster of one account."""

    key: str
    name: str
    kind: str
    account: Account


@dataclass(frozen=True)
class NodePlan:
    """One role of the fleet. `mig` maps a device to its (GPU instance id, profile) pairs."""

    role: str
    instance_type: str
    account: str
    cluster: str = ""
    purchase: str = ON_DEMAND
    lnc: int = 1
    mig: Mapping[int, tuple[tuple[int, str], ...]] = field(default_factory=dict)
    telemetry: bool = True
    renamed: bool = False  # speaks DCGM 4.6 names and the label `hostname`
    host_is_dns: bool = False  # the host label is the private DNS name instead of the instance id
    profiling: bool = True  # exports the PROF fields; without them only GPU_UTIL tells that it works
    single_scrapes: bool = False  # one undated file per scrape


STANDING = (
    NodePlan("trn1-gang-a", "trn1.32xlarge", "training", "train", SAVINGS_PLAN),
    NodePlan("trn1-gang-b", "trn1.32xlarge", "training", "train", SAVINGS_PLAN),
    NodePlan("trn2-jobs", "trn2.48xlarge", "training", "train", PRIVATE, lnc=2),
    NodePlan("trn2-lab", "trn2.3xlarge", "research", "lab", PRIVATE),
    NodePlan("inf2-serve", "inf2.48xlarge", "serving", "serve"),
    NodePlan("inf2-bare", "inf2.xlarge", "serving"),
    NodePlan("trn1-bare", "trn1.2xlarge", "research"),
    NodePlan("trn1-idle", "trn1.2xlarge", "research", "lab"),
    NodePlan(
        "p5-mixed",
        "p5.48xlarge",
        "training",
        "train",
        PARTIAL_SAVINGS_PLAN,
        mig={6: ((1, "3g.40gb"), (3, "2g.20gb")), 7: ((1, "4g.40gb"), (2, "3g.40gb"))},
    ),
    NodePlan("b200-train", "p6-b200.48xlarge", "training", "train", renamed=True),
    NodePlan("g6-serve", "g6.12xlarge", "serving", "serve", renamed=True, host_is_dns=True),
    NodePlan("g6-lab", "g6.xlarge", "research", "lab", host_is_dns=True),
    NodePlan("g6-slurm", "g6.xlarge", "research", "hpc", profiling=False),
    NodePlan("g6-dark", "g6.12xlarge", "research", "lab", telemetry=False),
)
SPOT_BURST = NodePlan("inf2-burst", "inf2.xlarge", "serving", "serve", SPOT)
SCRAPED = NodePlan("g6-scraped", "g6.xlarge", "serving", "serve", SPOT, host_is_dns=True, single_scrapes=True)
SWEEP = NodePlan("p5-sweep", "p5.48xlarge", "training", "train")
BLOCKED = NodePlan("p5-block", "p5.48xlarge", "research", "lab", BLOCK)

_PLACES = ("aspen", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "islet", "juniper", "koala", "lotus")
_ACCOUNTS = (
    ("payer", "management", "us-east-1", 0),
    ("training", "model-training", "us-east-1", 1),
    ("serving", "model-serving", "us-west-2", 2),
    ("research", "research-lab", "us-east-1", 3),
)
_CLUSTERS = (
    ("train", EKS, "training", "train"),
    ("serve", EKS, "serving", "serve"),
    ("lab", EKS, "research", "lab"),
    ("hpc", SLURM, "research", "slurm"),
)


def draw_accounts(options: WorldOptions) -> dict[str, Account]:
    """The organisation's accounts by key: the payer and three that run things."""
    draw = stream(options.seed, "accounts")
    first = draw.sample(range(10**11, 10**12), len(_ACCOUNTS))
    return {
        key: Account(key, str(number), name, region, octet)
        for number, (key, name, region, octet) in zip(first, _ACCOUNTS, strict=True)
    }


def draw_clusters(options: WorldOptions, accounts: dict[str, Account], block: int) -> dict[str, Cluster]:
    """The clusters of one block by key."""
    draw = stream(options.seed, "clusters", block)
    tail = f"-{block}" if block else ""
    return {
        key: Cluster(key, f"{draw.choice(_PLACES)}-{word}{tail}", kind, accounts[account])
        for key, kind, account, word in _CLUSTERS
    }
