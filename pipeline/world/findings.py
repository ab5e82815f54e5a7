"""True findings, computed from the simulated events by the rules' own words, not from what was planted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from statistics import median

import numpy as np
import numpy.typing as npt

from pipeline.world.chips import SPECS
from pipeline.world.curves import PPM, Array
from pipeline.world.lines import Line, usd
from pipeline.world.options import SECONDS_PER_DAY, day_of, hour_of
from pipeline.world.plants import DAILY_COST_SPIKE, HISTORY_DAYS, IDLE_WHILE_PAID
from pipeline.world.telemetry import Telemetry
from pipeline.world.truth import BoxHour
from pipeline.world.truth_blocks import BlockPiece

IDLE_BELOW_PPM = PPM * 5 // 100
IDLE_SECONDS = 900

HISTORY_MOST_DAYS = 28
MAD_SCALE = Decimal("1.4826")
LEAST_Z = 4
LEAST_USD = Decimal(100)
LEAST_RATIO = Decimal("1.3")
_TENTH_DECIMAL = Decimal("1e-10")


@dataclass(frozen=True)
class Finding:
    """One true finding over [start, end) epoch seconds, with what it cost in USD."""

    rule: str
    subject: str
    start: int
    end: int
    impact_usd: Decimal


@dataclass(frozen=True)
class IdleRun:
    """One accelerator held by one workload and idle over [start, end).

    `held` maps each hour to share-weighted device-seconds.
    """

    workload_id: str
    instance_id: str
    devices: int
    start: int
    end: int
    held: dict[int, Fraction] = field(hash=False)


def idle_runs(telemetry: Telemetry) -> Iterator[IdleRun]:
    """Maximal runs of at least 15 observed minutes in which a workload holds an accelerator and does not use it."""
    stalled = {
        (ranged.holding.owner.workload_id, telemetry.node.units[unit].accelerator_id)
        for ranged in telemetry.held
        for column, unit in enumerate(ranged.holding.units)
        if ranged.holding.owner.workload_id and bool((ranged.busy[:, column] < IDLE_BELOW_PPM).any())
    }
    counts = telemetry.holder_counts() if stalled else None
    for workload_id, accelerator_id in sorted(stalled):
        assert counts is not None
        yield from _runs(telemetry, counts, workload_id, accelerator_id)


def _runs(telemetry: Telemetry, counts: Array, workload_id: str, accelerator_id: str) -> Iterator[IdleRun]:
    node = telemetry.node
    share = np.zeros(telemetry.busy.shape)
    for ranged in telemetry.held:
        if ranged.holding.owner.workload_id == workload_id:
            rows, units = slice(ranged.first, ranged.last), list(ranged.holding.units)
            share[rows, units] = 1.0 / counts[rows, units]
    columns = [unit.index for unit in node.units if unit.accelerator_id == accelerator_id]
    held = share[:, columns].sum(axis=1)
    busy = (telemetry.busy[:, columns] * share[:, columns]).sum(axis=1)
    idle = (held > 0) & (busy < held * IDLE_BELOW_PPM)
    weight = node.units[columns[0]].weight
    for idle_rows in unbroken(telemetry.at, telemetry.cover, idle):
        at, cover = telemetry.at[idle_rows], telemetry.cover[idle_rows]
        start, end = int(at[0] - cover[0]), int(at[-1])
        if end - start < IDLE_SECONDS:
            continue
        hours: dict[int, Fraction] = defaultdict(Fraction)
        for moment, seconds, part in zip(at.tolist(), cover.tolist(), held[idle_rows], strict=True):
            hours[hour_of(moment - 1)] += seconds * weight * Fraction(part).limit_denominator(1000)
        yield IdleRun(workload_id, node.instance_id, node.spec.devices, start, end, dict(hours))


def unbroken(at: Array, cover: Array, chosen: npt.NDArray[np.bool_]) -> Iterator[Array]:
    """The chosen samples in runs, as rows: each begins where the one before ends, without a sample or a gap between.

    What no sample stands for is unknown: nobody can say that it went on there.
    """
    rows = np.flatnonzero(chosen)
    breaks = np.flatnonzero(at[rows[:-1]] != (at - cover)[rows[1:]]) + 1
    return (run for run in np.split(rows, breaks) if len(run))


def idle_findings(runs: Sequence[IdleRun], boxes: dict[tuple[int, str], BoxHour]) -> list[Finding]:
    """Runs of one workload that overlap or touch are one finding; its cost is the held time at its hours' cost."""
    findings: list[Finding] = []
    for run in sorted(runs, key=lambda run: (run.workload_id, run.start, run.end)):
        impact = _impact(run, boxes)
        last = findings[-1] if findings else None
        if last and last.subject == run.workload_id and run.start <= last.end:
            joined = Finding(last.rule, last.subject, last.start, max(last.end, run.end), last.impact_usd + impact)
            findings[-1] = joined
        else:
            findings.append(Finding(IDLE_WHILE_PAID, run.workload_id, run.start, run.end, impact))
    return findings


def _impact(run: IdleRun, boxes: dict[tuple[int, str], BoxHour]) -> Decimal:
    total = Fraction(0)
    for hour, seconds in run.held.items():
        box = boxes[(hour, run.instance_id)]
        total += seconds * box.effective / (box.seconds * run.devices)
    return Decimal(round(total)).scaleb(-10)


def spike_findings(lines: Sequence[Line], pieces: Sequence[BlockPiece] = ()) -> list[Finding]:
    """Days on which an account paid far more than usual for an instance type; all days of the world are complete."""
    days = sorted({day_of(line.start) for line in lines})
    paid: dict[tuple[str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    seen: dict[str, set[int]] = defaultdict(set)
    for line in lines:
        seen[line.account_id].add(day_of(line.start))
        if line.is_box and line.instance_type in SPECS:
            paid[(line.account_id, line.instance_type)][day_of(line.start)] += line.effective
    for piece in pieces:
        if piece.node is not None:
            paid[(piece.account_id, piece.instance_type)][day_of(piece.hour)] += piece.effective
    findings: list[Finding] = []
    for (account_id, instance_type), costs in sorted(paid.items()):
        for day in days:
            before = [past for past in days if past < day and past in seen[account_id]][-HISTORY_MOST_DAYS:]
            excess = _excess(usd(costs[day]), [usd(costs[past]) for past in before])
            if excess is not None:
                _add_spike(findings, f"{account_id}/{instance_type}", day, excess)
    return findings


def _add_spike(findings: list[Finding], subject: str, day: int, excess: Decimal) -> None:
    """A day after a day that spiked goes on with its finding."""
    last = findings[-1] if findings else None
    if last and (last.subject, last.end) == (subject, day):
        findings[-1] = replace(last, end=day + SECONDS_PER_DAY, impact_usd=last.impact_usd + excess)
    else:
        findings.append(Finding(DAILY_COST_SPIKE, subject, day, day + SECONDS_PER_DAY, excess))


def _excess(cost: Decimal, history: list[Decimal]) -> Decimal | None:
    """What a day cost above its history's median, or None when that is not remarkable."""
    if len(history) < HISTORY_DAYS:
        return None
    middle = median(history).quantize(_TENTH_DECIMAL, ROUND_HALF_UP)
    deviation = median([abs(past - middle) for past in history])
    scale = max(MAD_SCALE * deviation, middle / 20, Decimal(1))
    above = cost - middle
    remarkable = above >= LEAST_Z * scale and above >= LEAST_USD and cost >= LEAST_RATIO * middle
    return above if remarkable else None
