"""One pull of CloudWatch in one account and region: what is due, what it may cost, and the landing of what is new."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import duckdb

from pipeline import own_spend, series_catalogue
from pipeline.errors import SourceError
from pipeline.landing import LandingResult, land, unreachable
from pipeline.own_spend import ASKED, FAILED, LEFT_OUT, LIST_METRICS, READ_METRICS, WHOLE, ApiRequest, Asked
from pipeline.series_catalogue import Place
from pipeline.settings import Settings
from pipeline.sources import clients, cloudwatch, cloudwatch_plan
from pipeline.sources.aws_calls import ApiSpend, retried, wait
from pipeline.sources.base import ParsedDelivery
from pipeline.sources.cloudwatch_plan import LISTED_AFTER_END, Plan
from pipeline.sources.cloudwatch_series import RULES, find_series
from pipeline.sources.cloudwatch_wire import Wire
from pipeline.steps import Ingested, warehouse
from pipeline.windows import DAY, Window, floor_day, floor_hour

FIRST_PULL = timedelta(hours=24)
LATE_METRICS = timedelta(hours=3)  # points stamped 3 to 24 hours ago are visible within 2 hours
VERY_LATE_METRICS = 3 * DAY  # older ones after 48 hours and more: asked again once a day
RECENT_LISTING = timedelta(hours=2)
HELD_BYTES = 192 * 2**20
USD_PER_LISTING = Decimal("0.00001")


@dataclass
class MetricPull:
    """One pull and what has come of it; what landed before a failure stays."""

    settings: Settings
    place: Place
    wire: Wire
    now: datetime
    results: list[LandingResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    listing: ApiSpend = field(default_factory=lambda: ApiSpend(USD_PER_LISTING))
    spend: ApiSpend = field(default_factory=cloudwatch.new_spend)

    def run(self) -> None:
        """Ask what is due and land it; raises SourceError where CloudWatch does not answer it all."""
        with warehouse(self.settings) as conn:
            asked = own_spend.asked_metrics(conn, self.place.account_id, self.place.region, self.now)
            listed_at = series_catalogue.last_listed_at(conn, self.place, self.now)
            pace = cloudwatch_plan.pace(self._round_usd(conn), self.settings.cloudwatch_budget_usd_per_day)
        windows = self._due(asked, pace)
        if not windows:
            return
        is_recent = listed_at is not None and self.now - listed_at <= RECENT_LISTING
        found = find_series(self.wire, is_recent=is_recent, spend=self.listing)
        with warehouse(self.settings) as conn:
            series_catalogue.merge(conn, self.place, found, self.now)
            plan = self._plan(conn, windows)
            own_spend.note(conn, [self._listing(), *self._requests(plan, windows, ASKED)])
        try:
            self._ask(plan)
        except SourceError:
            self._settle(plan, windows, FAILED)
            raise
        self._settle(plan, windows, WHOLE)

    @property
    def usd(self) -> Decimal:
        """What was asked, at list price."""
        return self.spend.usd + self.listing.usd_per_unit * self.listing.requests

    def _round_usd(self, conn: duckdb.DuckDBPyConnection) -> Decimal:
        return own_spend.last_round_units(conn, self.now) * cloudwatch.USD_PER_METRIC_ASKED

    def _due(self, asked: Mapping[str, Asked], pace: timedelta) -> dict[str, Window]:
        """Windows of the metrics that were not settled within the interval, or within the longer one of a budget."""
        interval = timedelta(minutes=self.settings.cloudwatch_interval_minutes)
        apart = max(interval, pace)
        waiting = [one.settled_at for one in asked.values() if interval <= self.now - one.settled_at < apart]
        if waiting:
            self.notes.append(
                f"CloudWatch {self.place.region}: asked again after {min(waiting) + apart:%Y-%m-%d %H:%M} UTC, to stay "
                f"within {self.settings.cloudwatch_budget_usd_per_day} USD a day"
            )
        due = [name for name in RULES if name not in asked or self.now - asked[name].settled_at >= apart]
        return {name: metrics_window(asked.get(name), self.now) for name in due}

    def _plan(self, conn: duckdb.DuckDBPyConnection, windows: Mapping[str, Window]) -> Plan:
        budget, left = self.settings.cloudwatch_budget_usd_per_day, None
        if budget is not None:
            spent = own_spend.spent_usd(conn, own_spend.CLOUDWATCH, self.now.date())
            left = max(budget - spent - USD_PER_LISTING * self.listing.requests, Decimal(0))
        since = min(window.start_at for window in windows.values()) - LISTED_AFTER_END
        seen = series_catalogue.seen_since(conn, self.place, since)
        place = {"account_id": self.place.account_id, "region": self.place.region}
        plan = cloudwatch_plan.plan(windows, seen, **place, now=self.now, left_usd=left)
        if plan.left_out:
            self.results.append(self._left_out(plan))
        return plan

    def _left_out(self, plan: Plan) -> LandingResult:
        dear = sum(plan.left_out.values()) * cloudwatch.USD_PER_METRIC_ASKED
        reason = (
            f"not asked, to stay within {self.settings.cloudwatch_budget_usd_per_day} USD a day: "
            f"{', '.join(sorted(plan.left_out))}, which would cost {dear:f} USD"
        )
        return LandingResult(
            f"CloudWatch {self.place.region}",
            "cloudwatch",
            "refused",
            reason=reason,
            next_step="raise CHIPLEDGER_CLOUDWATCH_BUDGET_USD_PER_DAY, or wait: a longer window costs no more",
        )

    def _ask(self, plan: Plan) -> None:
        for held in _batches(self._deliveries(plan)):
            with warehouse(self.settings) as conn:
                self.results += land_news(conn, held, self.now)

    def _deliveries(self, plan: Plan) -> Iterator[ParsedDelivery]:
        for question in plan.questions:
            for group in cloudwatch.read(self.wire, question.series, question.pull, now=self.now, spend=self.spend):
                yield from group

    def _settle(self, plan: Plan, windows: Mapping[str, Window], outcome: str) -> None:
        with warehouse(self.settings) as conn:
            own_spend.note(conn, self._requests(plan, windows, outcome))

    def _requests(self, plan: Plan, windows: Mapping[str, Window], outcome: str) -> list[ApiRequest]:
        """A row per metric that was due; before the answer what is planned counts as asked."""
        planned, asked = plan.units, plan.units if outcome == ASKED else self.spend.subjects
        return [
            self._request(READ_METRICS, name, window, plan.left_out[name], 0, LEFT_OUT)
            if name in plan.left_out
            else self._request(READ_METRICS, name, window, planned[name], asked[name], outcome)
            for name, window in windows.items()
        ]

    def _listing(self) -> ApiRequest:
        return self._request(LIST_METRICS, "", None, self.listing.requests, self.listing.requests, WHOLE)

    def _request(
        self, operation: str, subject: str, window: Window | None, planned: int, counted: int, outcome: str
    ) -> ApiRequest:
        price = USD_PER_LISTING if operation == LIST_METRICS else cloudwatch.USD_PER_METRIC_ASKED
        where = (own_spend.CLOUDWATCH, operation, self.place.account_id, self.place.region)
        return ApiRequest(self.now, *where, subject, window, planned, counted, price, outcome)


def pull_region(settings: Settings, region: str, now: datetime) -> Ingested:
    """What one region gave, until it failed."""
    source, name = "cloudwatch", f"CloudWatch {region}"
    try:
        place = Place(retried(lambda: clients.account_id(region), wait), region)
        pull = MetricPull(settings, place, Wire(clients.cloudwatch(region), wait), now)
    except SourceError as error:
        return Ingested((unreachable(name, source, error),))
    failed: list[LandingResult] = []
    try:
        with _uncollected():
            pull.run()
    except SourceError as error:
        failed.append(unreachable(name, source, error))
    return Ingested((*pull.results, *failed), spent_usd=pull.usd, notes=tuple(pull.notes))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let Python look for no cycles meanwhile: a fleet's series are a million small objects without one."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def metrics_window(asked: Asked | None, now: datetime) -> Window:
    """From the hour three hours before the end of what was answered (a day ago at first) until now.

    Whole hours, so that an hour that is known is the same delivery again. Once a day from three midnights ago, as far
    as it was ever asked for: one longer window costs no more than a short one.
    """
    if asked is None or asked.until_at is None or asked.first_at is None:
        return Window(now - FIRST_PULL, now)
    start_at = floor_hour(min(asked.until_at, now) - LATE_METRICS)
    deepest_at = max(floor_day(now) - VERY_LATE_METRICS, asked.first_at)
    if asked.deepest_at is None or asked.deepest_at > deepest_at:
        start_at = min(start_at, deepest_at)
    return Window(start_at, now)


def land_news(
    conn: duckdb.DuckDBPyConnection, deliveries: Sequence[ParsedDelivery], now: datetime
) -> list[LandingResult]:
    """Land deliveries whose content is not that of the newest one of their name; the others are repeats."""
    names = [delivery.info.object for delivery in deliveries]
    rows = conn.execute(
        "select object, arg_max(content_sha256, observed_at) from raw_deliveries "
        "where source = 'cloudwatch' and object in (select unnest(?)) group by object",
        [names],
    ).fetchall()
    known = dict(rows)
    news = [delivery for delivery in deliveries if known.get(delivery.info.object) != delivery.info.content_sha256]
    old = [delivery.info for delivery in deliveries if known.get(delivery.info.object) == delivery.info.content_sha256]
    repeats = [LandingResult(info.object, info.source, "repeat") for info in old]
    return [*land(conn, news, arrived_at=now), *repeats]


def _batches(deliveries: Iterable[ParsedDelivery]) -> Iterator[list[ParsedDelivery]]:
    """Deliveries in groups that fit in memory; what was read before a failure comes out before it does."""
    held: list[ParsedDelivery] = []
    try:
        for delivery in deliveries:
            held.append(delivery)
            if sum(one.info.byte_count for one in held) >= HELD_BYTES:
                yield held
                held = []
    except SourceError as error:
        if held:
            yield held
        raise error
    if held:
        yield held
