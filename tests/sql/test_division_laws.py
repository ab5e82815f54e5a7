"""What holds for every division by request and every distribution: all of it, to all of them, once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.models import bind
from pipeline.windows import ALL_TIME

if TYPE_CHECKING:
    from tests.sql.conftest import Bench

HOUR = "2026-01-01 05:00:00+00"
EXAMPLES = settings(max_examples=max(settings().max_examples // 5, 5), deadline=None)
UNIT = Decimal("1e-10")

amounts = st.one_of(st.just(0), st.integers(1, 10), st.integers(1, 10**16))
pods = st.lists(st.tuples(amounts, amounts, amounts), min_size=1, max_size=5)
# (nanoseconds paid, devices, vCPUs, GiB, who gets the unused part, pods)
hours = st.tuples(
    *(st.integers(1, 3_600_000_000_000), st.integers(1, 16), st.integers(1, 192), st.integers(1, 4096)),
    *(st.sampled_from(["pods", "idle"]), pods),
)
costs = st.one_of(st.integers(-(10**19), 10**19), st.integers(-3, 3))


def run(bench: Bench, model: str, tables: dict[str, tuple[str, Sequence[tuple[Any, ...]]]], columns: str) -> list[Any]:
    """Rows of the model over these tables: name → (columns, rows)."""
    parts = {"start_at": ALL_TIME.start_at, "end_at": ALL_TIME.end_at, "as_of": ALL_TIME.start_at}
    sql = bind(bench.models[model], **parts, seeds_dir=bench.models.seeds_dir)
    bench.conn.begin()
    try:
        for name, (names, rows) in tables.items():
            for row in rows:
                bench.conn.execute(f"insert into {name} ({names}) values ({', '.join('?' * len(row))})", list(row))
        return bench.conn.execute(f"select {columns} from (\n{sql}\n) order by all").fetchall()
    finally:
        bench.conn.rollback()


def weighed(bench: Bench, drawn: list[Any], *, backwards: bool = False) -> list[Any]:
    of = [(f"i-{n}", *hour) for n, hour in enumerate(drawn)]
    taken = [
        (HOUR, instance, "ns", f"p{n}", accelerator, vcpu, memory)
        for instance, *_, in_hour in of
        for n, (accelerator, vcpu, memory) in enumerate(in_hour)
    ]
    owners = [(HOUR, instance, f"pod\x1fns\x1f{pod}", f"c/ns/-/w{pod}") for _, instance, _, pod, *_ in taken]
    sizes = [(i, True, devices, cpus, gib << 30, 9, 0.9, 0.1, to) for i, _, devices, cpus, gib, to, _ in of]
    tables: dict[str, tuple[str, Sequence[tuple[Any, ...]]]] = {
        "int_policy_hours": ("usage_hour_at, instance_id, fallback_reason", [(HOUR, i, "") for i, *_ in of]),
        "int_instance_hours": (
            "usage_hour_at, instance_id, instance_type, device_count, capacity_ns",
            [(HOUR, i, i, devices, ns * devices) for i, ns, devices, *_ in of],
        ),
        "int_type_policies": (
            "instance_type, is_by_request, device_count, vcpu_count, host_memory_bytes, accelerator_weight, "
            "vcpu_weight, memory_weight, unused_goes_to",
            sizes,
        ),
        "int_pod_hours": (
            "usage_hour_at, instance_id, namespace, pod, accelerator_ns, vcpu_millicore_ms, memory_kib_ms",
            taken[::-1] if backwards else taken,
        ),
        "int_owner_workloads": ("usage_hour_at, instance_id, owner_id, workload_id", owners),
    }
    return run(bench, "int_request_weights", tables, "instance_id, cost_class, workload_id, weight_ns, vcpu_ns")


@EXAMPLES
@given(drawn=st.lists(hours, min_size=1, max_size=8))
def test_i1_an_hour_by_request_is_divided_whole_and_nobody_gets_less_than_nothing(bench: Bench, drawn: Any) -> None:
    rows = weighed(bench, drawn)
    for number, (ns, devices, *_) in enumerate(drawn):
        parts = [weight for instance, _, _, weight, _ in rows if instance == f"i-{number}"]
        assert sum(parts) == ns * devices
        assert min(parts) > 0
    assert rows == weighed(bench, drawn, backwards=True), "I6: the order of rows changes nothing"


@EXAMPLES
@given(hour=hours, more=st.integers(1, 10**16))
def test_i16_who_takes_more_of_an_instance_never_gets_a_smaller_part(bench: Bench, hour: Any, more: int) -> None:
    accelerator, vcpu, memory = hour[-1][0]
    grown = [(accelerator, vcpu + more, memory), *hour[-1][1:]]
    before, after = (
        sum(weight for _, _, workload, weight, _ in weighed(bench, [drawn]) if workload == "c/ns/-/wp0")
        for drawn in (hour, (*hour[:-1], grown))
    )
    assert after >= before


@EXAMPLES
@given(data=st.data())
def test_i1_what_is_distributed_comes_from_its_source_and_keeps_its_sign(bench: Bench, data: st.DataObject) -> None:
    sources = data.draw(st.lists(st.tuples(costs, costs), min_size=1, max_size=4))
    receivers = data.draw(st.lists(costs, min_size=0, max_size=6))
    method = data.draw(st.sampled_from(["even", "weighted"]))
    day = ("2026-01-01", "1", "c")
    rows = [
        ("2026-01-01", "1", f"c{n}", "shared", "", "other", "billed", effective * UNIT, billed * UNIT)
        for n, (effective, billed) in enumerate(sources)
    ]
    rows += [(*day, "workload", f"c/a/-/{n}", "vcpu", "billed", cost * UNIT, 0) for n, cost in enumerate(receivers)]
    names = "usage_date, account_id, cluster, cost_class, workload_id, resource, cost_status"
    tables: dict[str, tuple[str, Sequence[tuple[Any, ...]]]] = {
        "mart_resource_cost_daily": (f"{names}, effective_cost_usd, billed_cost_usd", rows),
        "int_distributions": ("source_class, method, scope", [("shared", method, "account")]),
    }
    moved = run(
        bench, "mart_distributed_cost_daily", tables, "cluster, cost_class, effective_cost_usd, billed_cost_usd"
    )
    can_receive = any(cost > 0 for cost in receivers) or (method == "even" and receivers)
    assert {cluster for cluster, *_ in moved} == {f"c{n}" for n in range(len(sources)) if can_receive}
    for cluster in {row[0] for row in moved}:
        for basis in (0, 1):
            whole = sources[int(cluster[1:])][basis] * UNIT
            given = [row[2 + basis] for row in moved if row[:2] == (cluster, "workload")]
            assert sum(given) == whole
            assert all(part * whole >= 0 for part in given)
            assert [row[2 + basis] for row in moved if row[:2] == (cluster, "shared")] == [-whole]
