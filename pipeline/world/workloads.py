"""Who holds which units when: owners and holdings, from one sample boundary to another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pipeline.world.curves import Profile
from pipeline.world.fleet import Node


@dataclass(frozen=True)
class Owner:
    """How telemetry names a holder. `workload_id` is '' when nobody can be named.

    On Kubernetes the pod fields speak, on Slurm `hpc_job`, on a bare host `runtime_tag` unless it equals the pid.
    """

    workload_id: str
    pod: str = ""
    namespace: str = ""
    container: str = ""
    hpc_job: str = ""
    runtime_tag: str = ""
    pid: int = 0


@dataclass(frozen=True)
class Holding:
    """One owner on some units of one node over [start, end), with how it works; `stalls` are planted idle windows."""

    node: Node = field(repr=False)
    units: tuple[int, ...]
    start: int
    end: int
    owner: Owner
    profile: Profile
    stalls: tuple[tuple[int, int], ...] = ()

    @property
    def key(self) -> str:
        """A name for the random stream of its busy curve."""
        return f"{self.node.instance_id}/{self.units[0]}/{self.start}/{self.owner.pod}{self.owner.runtime_tag}"

    def stalled(self, start: int, end: int) -> Holding:
        """The same holding, doing next to nothing in [start, end)."""
        return replace(self, stalls=(*self.stalls, (start, end)))


def pod_owner(node: Node, namespace: str, name: str, pod: str, container: str, pid: int = 0) -> Owner:
    """A pod; its runtime's tag is a process id of the container's own name space, as the AWS capture shows."""
    workload_id = f"{node.cluster_name}/{namespace}/-/{name}"
    return Owner(workload_id, pod, namespace, container, runtime_tag=str(100 + pid % 900) if pid else "", pid=pid)


def slurm_owner(node: Node, job: str) -> Owner:
    """A Slurm job."""
    return Owner(f"{node.cluster_name}/-/slurm/{job}", hpc_job=job)


def tag_owner(node: Node, tag: str, pid: int) -> Owner:
    """A runtime on a bare host, named by its tag; a tag equal to the pid names nobody."""
    workload_id = "" if tag == str(pid) else f"{node.cluster_name}/-/-/{tag}"
    return Owner(workload_id, runtime_tag=tag, pid=pid)


def nobody() -> Owner:
    """Work on a GPU that no label explains."""
    return Owner("")
