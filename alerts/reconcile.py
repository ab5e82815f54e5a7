"""From findings to messages still to send: forget what reached nobody, compare the rest with what holds, plan anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from alerts.routing import Planned, Told, edit_key, outbox_id, plan, standing, successors, thread_message
from alerts.schema import INCIDENTS, MAY_HAVE_ARRIVED, OUTBOX, THREADS, TRANSITIONS, kept
from alerts.signal import Finding

KEPT_OVER_A_NEW_PLAN = ("attempts", "first_attempt_at", "last_attempt_at", "server_since", "error")


class Reconciliation:
    """One reconciliation of one route, within the transaction of `conn`."""

    def __init__(self, conn: Connection, route: str, target: str, data_through_at: datetime | None) -> None:
        self.conn, self.route, self.target, self.data_through_at = conn, route, target, data_through_at

    def run(self, findings: Sequence[Finding], judged: Collection[str] | None = None) -> int:
        """Leave as pending exactly the messages that are due; returns how many findings have no news.

        `findings` is the whole of what holds, or with `judged` of these rules: what was told of others stays as it is.
        """
        holds = {finding.finding_id: finding for finding in findings}
        attempts = self._drop_unsent()
        if judged is not None:
            holds |= {key: told.finding for key, told in self._told().items() if told.stands_outside(judged)}
        for old_id, new_id in successors(self._told(), holds).items():
            self._rename(old_id, new_id, holds[new_id])
        told = self._told()
        self._remember(told, holds)
        planned = plan(told, holds, data_through_at=self.data_through_at, waiting=self._waiting())
        for one in planned:
            self._enqueue(one, attempts)
        self._refresh_threads(told | _joined(planned), holds)
        return len(holds) - len({step.finding.finding_id for one in planned for step in one.steps} & holds.keys())

    def _drop_unsent(self) -> dict[str, RowMapping]:
        pending = (OUTBOX.c.route == self.route) & (OUTBOX.c.state == "pending")
        dropped = {row["outbox_id"]: row for row in self.conn.execute(select(OUTBOX).where(pending)).mappings()}
        if not dropped:
            return {}
        ids = select(OUTBOX.c.outbox_id).where(pending)
        self.conn.execute(delete(TRANSITIONS).where(TRANSITIONS.c.outbox_id.in_(ids)))
        self.conn.execute(delete(OUTBOX).where(pending))
        heard = select(TRANSITIONS.c.finding_id).where(TRANSITIONS.c.route == self.route)
        self.conn.execute(
            delete(INCIDENTS).where(INCIDENTS.c.route == self.route, INCIDENTS.c.finding_id.not_in(heard))
        )
        used = select(INCIDENTS.c.thread_id).where(INCIDENTS.c.route == self.route)
        self.conn.execute(delete(THREADS).where(THREADS.c.route == self.route, THREADS.c.thread_id.not_in(used)))
        return dropped

    def _waiting(self) -> set[str]:
        """Threads in which nobody knows yet whether a message arrived."""
        unknown = (OUTBOX.c.route == self.route) & OUTBOX.c.state.in_(MAY_HAVE_ARRIVED)
        return set(self.conn.execute(select(OUTBOX.c.thread_id).where(unknown)).scalars())

    def _told(self) -> dict[str, Told]:
        steps = (
            select(TRANSITIONS.c.finding_id, TRANSITIONS.c.transition, TRANSITIONS.c.severity)
            .where(TRANSITIONS.c.route == self.route)
            .order_by(TRANSITIONS.c.number)
        )
        last = {finding_id: (transition, severity) for finding_id, transition, severity in self.conn.execute(steps)}
        incidents = select(INCIDENTS.c.finding_id, INCIDENTS.c.finding, INCIDENTS.c.thread_id).where(
            INCIDENTS.c.route == self.route
        )
        return {
            finding_id: Told(kept(Finding.from_json, finding), thread_id, *kept(last.__getitem__, finding_id))
            for finding_id, finding, thread_id in self.conn.execute(incidents)
        }

    def _rename(self, old_id: str, new_id: str, heir: Finding) -> None:
        for table in (TRANSITIONS, INCIDENTS):
            mine = (table.c.route == self.route) & (table.c.finding_id == old_id)
            self.conn.execute(update(table).where(mine).values(finding_id=new_id))
        self._keep(heir)

    def _remember(self, told: Mapping[str, Told], holds: Mapping[str, Finding]) -> None:
        for finding_id, last in told.items():
            if finding_id in holds and holds[finding_id] != last.finding:
                self._keep(holds[finding_id])

    def _keep(self, finding: Finding) -> None:
        mine = (INCIDENTS.c.route == self.route) & (INCIDENTS.c.finding_id == finding.finding_id)
        self.conn.execute(update(INCIDENTS).where(mine).values(finding=finding.to_json()))

    def _enqueue(self, planned: Planned, attempts: Mapping[str, RowMapping]) -> None:
        number, name = self._free_name(planned)
        thread_id = planned.thread_id or name
        key = "" if planned.thread_id else edit_key((step.finding, step.finding.status) for step in planned.steps)
        before = attempts.get(name)
        kept = {column: before[column] for column in KEPT_OVER_A_NEW_PLAN} if before else {}
        self.conn.execute(
            insert(OUTBOX).values(
                outbox_id=name,
                seq=select(func.coalesce(func.max(OUTBOX.c.seq), 0) + 1).scalar_subquery(),
                route=self.route,
                thread_id=thread_id,
                is_reply=int(bool(planned.thread_id)),
                loud=int(planned.loud),
                transition=planned.transition,
                file_name=_file_name(planned, name, number),
                message=planned.message.to_json(),
                edit_key=key,
                state="pending",
                **kept,
            )
        )
        if not planned.thread_id:
            self._open_thread(planned, name, key)
        for step in planned.steps:
            self._enter(step.finding, step.transition, step.severity, thread_id, name)

    def _open_thread(self, planned: Planned, name: str, key: str) -> None:
        self.conn.execute(
            insert(THREADS).values(
                thread_id=name,
                route=self.route,
                channel=self.target,
                occasion=planned.occasion,
                message=planned.message.to_json(),
                edit_key=key,
            )
        )

    def _enter(self, finding: Finding, transition: str, severity: str, thread_id: str, name: str) -> None:
        key = {"route": self.route, "finding_id": finding.finding_id}
        mine = (TRANSITIONS.c.route == self.route) & (TRANSITIONS.c.finding_id == finding.finding_id)
        number = select(func.coalesce(func.max(TRANSITIONS.c.number), 0) + 1).where(mine).scalar_subquery()
        step = insert(TRANSITIONS).values(
            **key, number=number, transition=transition, severity=severity, outbox_id=name
        )
        self.conn.execute(step)
        incident = insert(INCIDENTS).values(**key, thread_id=thread_id, finding=finding.to_json())
        self.conn.execute(incident.on_conflict_do_nothing(index_elements=["route", "finding_id"]))

    def _free_name(self, planned: Planned) -> tuple[int, str]:
        """The first repetition (a second close after a reopening) whose name no sent message bears."""
        number = 1
        while True:
            name = outbox_id(self.route, planned.thread_id, planned.steps, number)
            if self.conn.execute(select(OUTBOX.c.seq).where(OUTBOX.c.outbox_id == name)).first() is None:
                return number, name
            number += 1

    def _refresh_threads(self, told: Mapping[str, Told], holds: Mapping[str, Finding]) -> None:
        members: dict[str, list[tuple[Finding, str]]] = {}
        for finding_id, last in sorted(told.items()):
            members.setdefault(last.thread_id, []).append(standing(last, holds.get(finding_id)))
        for thread in self.conn.execute(select(THREADS).where(THREADS.c.route == self.route)).mappings().all():
            mine = members.get(thread["thread_id"])
            if mine is None or (key := edit_key(mine)) == thread["edit_key"]:
                continue
            message = thread_message(mine, thread["occasion"], self.data_through_at).to_json()
            this = THREADS.c.thread_id == thread["thread_id"]
            self.conn.execute(update(THREADS).where(this).values(edit_key=key, message=message))


def _joined(planned: Sequence[Planned]) -> dict[str, Told]:
    """What the planned replies tell: findings that join a thread are members of its message from now on."""
    return {
        step.finding.finding_id: Told(step.finding, one.thread_id, step.transition, step.severity)
        for one in planned
        if one.thread_id
        for step in one.steps
    }


def _file_name(planned: Planned, name: str, number: int) -> str:
    first = planned.steps[0].finding.finding_id
    who = first if len(planned.steps) == 1 else f"digest-{name[:8]}"
    return f"{who}-{planned.transition}{f'-{number}' if number > 1 else ''}.json"
