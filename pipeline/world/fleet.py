"""Which nodes the fleet has: accounts, clusters, instances and the units of each that can be held."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from pipeline.world import events, plan
from pipeline.world.chips import MIG_PROFILES, MIG_SLICES, SPECS, InstanceSpec
from pipeline.world.options import END, SECONDS_PER_DAY, SECONDS_PER_HOUR, WorldOptions
from pipeline.world.plan import Account, Cluster, NodePlan
from pipeline.world.seeds import hexadecimal, stream, uuid_text


@dataclass(frozen=True)
class Unit:
    """The smallest thing somebody can hold: a GPU, a MIG instance, or a logical NeuronCore.

    `weight` is its share of the device in money: 1, slices/7 or 1/cores.
    """

    index: int
    device: int
    accelerator_id: str
    weight: Fraction
    uuid: str = ""
    gi_id: str = ""
    gi_profile: str = ""


@dataclass(frozen=True)
class Node:
    """One EC2 instance from launch to stop (epoch seconds; `stopped_at` None while it runs)."""

    role: str
    plan: NodePlan
    spec: InstanceSpec
    instance_id: str
    account: Account
    cluster: Cluster | None
    availability_zone: str
    private_ip: str
    launch_at: int
    stopped_at: int | None
    units: tuple[Unit, ...] = field(repr=False)
    reservation_id: str = ""

    @property
    def cluster_name(self) -> str:
        """The cluster as identities print it: `-` without one."""
        return self.cluster.name if self.cluster else "-"

    @property
    def region(self) -> str:
        """The AWS region."""
        return self.account.region

    @property
    def private_dns_name(self) -> str:
        """The name EC2 gives the private address."""
        domain = "ec2.internal" if self.region == "us-east-1" else f"{self.region}.compute.internal"
        return f"ip-{self.private_ip.replace('.', '-')}.{domain}"

    @property
    def cores_per_device(self) -> int:
        """Logical NeuronCores per device; 0 on GPUs."""
        return self.spec.cores_per_device // self.plan.lnc if self.spec.vendor == "neuron" else 0

    def runs_until(self) -> int:
        """When it stopped, or the end of the world."""
        return END if self.stopped_at is None else self.stopped_at

    def runs(self, start: int, end: int) -> tuple[int, int]:
        """Its running time within [start, end): empty when the second is not after the first."""
        return max(start, self.launch_at), min(end, self.runs_until())


@dataclass(frozen=True)
class Fleet:
    """All nodes in a fixed order, with the accounts and clusters they belong to."""

    accounts: dict[str, Account]
    clusters: tuple[Cluster, ...]
    nodes: tuple[Node, ...]
    blocks: tuple[events.Block, ...] = ()

    def with_role(self, role: str) -> list[Node]:
        """The nodes that play a role of the plan, over all blocks."""
        return [node for node in self.nodes if node.role == role]


def build_fleet(options: WorldOptions, spike_day: int | None) -> Fleet:
    """Lay out the fleet; `spike_day` is the midnight of the day with extra p5 capacity, if there is one."""
    accounts = plan.draw_accounts(options)
    clusters: list[Cluster] = []
    nodes: list[Node] = []
    blocks: list[events.Block] = []
    for block in range(options.scale):
        block_clusters = plan.draw_clusters(options, accounts, block)
        clusters.extend(block_clusters.values())
        maker = _Maker(options, accounts, block_clusters, block)
        nodes.extend(maker.standing())
        nodes.extend(maker.transient(spike_day))
        if paid := events.block_of(options, block, END):
            blocks.append(paid)
            nodes.extend(maker.blocked(paid))
    return Fleet(accounts, tuple(clusters), tuple(nodes), tuple(blocks))


@dataclass(frozen=True)
class _Maker:
    options: WorldOptions
    accounts: dict[str, Account]
    clusters: dict[str, Cluster]
    block: int

    def standing(self) -> list[Node]:
        draw = stream(self.options.seed, "launch", self.block)
        nodes = []
        for node_plan in plan.STANDING:
            age = draw.randrange(3 * SECONDS_PER_DAY, 40 * SECONDS_PER_DAY)
            nodes.append(self.make(node_plan, self.options.align(self.options.start - age), None, 0))
        return nodes

    def transient(self, spike_day: int | None) -> list[Node]:
        nodes = []
        for day in range(self.options.start, END, SECONDS_PER_DAY):
            draw = stream(self.options.seed, "spot", self.block, day)
            start = self.options.align(day + 8 * SECONDS_PER_HOUR + draw.randrange(3600))
            end = self.options.align(start + 8 * SECONDS_PER_HOUR + draw.randrange(1200))
            nodes.append(self.make(plan.SPOT_BURST, start, end, day))
        draw = stream(self.options.seed, "scrape", self.block)
        start = self.options.align(END - SECONDS_PER_DAY + 12 * SECONDS_PER_HOUR + draw.randrange(7200))
        length = 3 * SECONDS_PER_HOUR + draw.randrange(3600)
        nodes.append(self.make(plan.SCRAPED, start, self.options.align(start + length), 0))
        if spike_day is not None:
            draw = stream(self.options.seed, "sweep", self.block)
            start = self.options.align(spike_day + 2 * SECONDS_PER_HOUR + draw.randrange(7200))
            end = self.options.align(start + 11 * SECONDS_PER_HOUR + draw.randrange(3 * 3600))
            nodes.append(self.make(plan.SWEEP, start, end, 0))
        return nodes

    def blocked(self, paid: events.Block) -> list[Node]:
        """The instances of a Capacity Block: the last of them ends early."""
        draw = stream(self.options.seed, "block", self.block)
        nodes = []
        for number in range(paid.count):
            start = self.options.align(paid.start + SECONDS_PER_HOUR + draw.randrange(7200))
            end = paid.end - events.TAKEN_BACK_SECONDS
            if number == paid.count - 1:
                end = start + (end - start) * draw.randrange(40, 80) // 100
            nodes.append(self.make(plan.BLOCKED, start, self.options.align(end), number, paid.reservation_id))
        return nodes

    def make(
        self,
        node_plan: NodePlan,
        launch_at: int,
        stopped_at: int | None,
        ordinal: int,
        reservation_id: str = "",
    ) -> Node:
        key = (self.options.seed, "node", node_plan.role, self.block, ordinal)
        instance_id = "i-0" + hexadecimal(16, *key)
        account = self.accounts[node_plan.account]
        draw = stream(*key)
        spec = SPECS[node_plan.instance_type]
        return Node(
            role=node_plan.role,
            plan=node_plan,
            spec=spec,
            instance_id=instance_id,
            account=account,
            cluster=self.clusters.get(node_plan.cluster),
            availability_zone=account.region + draw.choice("abc"),
            private_ip=f"10.{account.octet}.{self.address(node_plan, ordinal, draw.randrange(16))}",
            launch_at=launch_at,
            stopped_at=stopped_at,
            units=_units(node_plan, spec, instance_id),
            reservation_id=reservation_id,
        )

    def address(self, node_plan: NodePlan, ordinal: int, draw: int) -> str:
        """The last two bytes of a private address: no two nodes of an account share one."""
        if node_plan in plan.STANDING:
            return f"{self.block}.{4 + 16 * plan.STANDING.index(node_plan) + draw}"
        if node_plan is plan.BLOCKED:
            return f"{self.block}.{240 + ordinal}"
        subnet = 100 + 50 * (plan.SPOT_BURST, plan.SCRAPED, plan.SWEEP).index(node_plan) + self.block
        return f"{subnet}.{4 + (ordinal // SECONDS_PER_DAY) % 240}"


def _units(node_plan: NodePlan, spec: InstanceSpec, instance_id: str) -> tuple[Unit, ...]:
    if spec.vendor == "neuron":
        cores = spec.cores_per_device // node_plan.lnc
        return tuple(
            Unit(core, core // cores, f"{instance_id}/neuron{core // cores}", Fraction(1, cores))
            for core in range(spec.devices * cores)
        )
    units: list[Unit] = []
    for device in range(spec.devices):
        uuid = "GPU-" + uuid_text("gpu", instance_id, device)
        instances = node_plan.mig.get(device)
        if instances is None:
            units.append(Unit(len(units), device, uuid, Fraction(1), uuid))
            continue
        for gi_id, profile in instances:
            weight = Fraction(MIG_PROFILES[profile][0], MIG_SLICES)
            units.append(Unit(len(units), device, f"{uuid}/GI{gi_id}", weight, uuid, str(gi_id), profile))
    return tuple(units)
