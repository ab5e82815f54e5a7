"""Which window a pull asks AWS for, and the landing of what comes back; a supplier that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pipeline import asked, own_spend
from pipeline.errors import SourceError
from pipeline.landing import LandingResult, land, unreachable
from pipeline.own_spend import COST_EXPLORER, READ_COSTS, WHOLE, ApiRequest
from pipeline.pull_metrics import pull_region
from pipeline.settings import Settings
from pipeline.sources import (
    clients,
    cost_explorer,
    cost_explorer_resources,
    ec2_instances,
    ec2_reservations,
    ec2_types,
    spot_prices,
)
from pipeline.sources.aws_calls import ApiSpend
from pipeline.sources.base import ParsedDelivery, Seeds
from pipeline.sources.ec2_calls import Known, Place
from pipeline.steps import Ingested, warehouse
from pipeline.warehouse import SQL_DIR, utc_rows

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

Answer = TypeVar("Answer")
FIRST_SPOT_PULL = timedelta(days=7)
PREVIOUS_MONTH_SETTLES = timedelta(days=10)
AMOUNTS_MOVE = timedelta(days=35)


@dataclass
class _Answers:
    """What suppliers gave, and which of them failed."""

    deliveries: list[ParsedDelivery] = field(default_factory=list)
    unreachable: list[LandingResult] = field(default_factory=list)

    def ask(self, place: str, source: str, question: Callable[[], Answer]) -> Answer | None:
        """The answer to one question, or None where the supplier fails."""
        try:
            return question()
        except SourceError as error:
            self.unreachable.append(unreachable(place, source, error))
            return None

    def gather(self, place: str, source: str, fetched: Iterable[ParsedDelivery]) -> None:
        """Keep what comes until the supplier fails; the next pass asks for the rest."""
        try:
            for delivery in fetched:
                self.deliveries.append(delivery)
        except SourceError as error:
            self.unreachable.append(unreachable(place, source, error))


def pull_cloudwatch(settings: Settings, now: datetime) -> Ingested:
    """Accelerator metrics of every configured region, where they are due."""
    ingested = Ingested()
    for region in settings.regions:
        ingested += pull_region(settings, region, now)
    return ingested


def pull_cost_explorer(settings: Settings, now: datetime) -> Ingested:
    """The bill of the last 35 days, of the whole last month while it still moves, and instances where wanted.

    AWS charges requests: what it answered within `cost_explorer_interval_hours` is not asked again, whatever it said.
    """
    since = now - timedelta(hours=settings.cost_explorer_interval_hours)
    with warehouse(settings) as conn:
        known = asked.answered_since(conn, since, now)
    answers, spend = _Answers(), cost_explorer.new_spend()
    said: dict[str, str] = {}
    answers.gather("Cost Explorer", "cost_explorer", _bills(settings, known, said, now, spend))
    if settings.cost_explorer_resources:
        told = {**known, **said}
        answers.gather("Cost Explorer resources", "cost_explorer", _resources(settings, told, now, spend))
    said |= {delivery.info.object: "" for delivery in answers.deliveries}
    ingested = _land(settings, answers, now, spend)
    if said:
        with warehouse(settings) as conn:
            asked.remember(conn, said, now)
    return ingested


def _bills(
    settings: Settings, known: Mapping[str, str], said: dict[str, str], now: datetime, spend: ApiSpend
) -> Iterator[ParsedDelivery]:
    """The bills of the accounts that have not answered lately; a list of accounts asked for is noted in `said`."""
    start, end = bill_window(now)
    client, accounts = clients.cost_explorer(), settings.cost_explorer_accounts
    if not accounts:
        whole = cost_explorer.bill_name(start, end)
        if whole not in known:
            said[whole] = ",".join(cost_explorer.list_accounts(client, start=start, end=end, spend=spend))
        accounts = tuple(filter(None, {**known, **said}[whole].split(",")))
    due = [account for account in accounts if cost_explorer.bill_name(start, end, account) not in known]
    yield from cost_explorer.fetch(client, start=start, end=end, accounts=due, now=now, spend=spend)


def pull_inventory(settings: Settings, now: datetime) -> Ingested:
    """EC2 of every configured region, of our own account and of each role's; what did not change is a repeat."""
    answers, known = _Answers(), _known_listings(settings)
    for role in ("", *settings.inventory_roles):
        for region in settings.inventory_regions:
            whose = f"EC2 {region}" + (f" of {role}" if role else "")
            entered = answers.ask(whose, "inventory", partial(_enter, role, region, settings.inventory_external_id))
            if entered:
                _list_ec2(answers, whose, Place(entered[0], region, now, known), entered[1])
    return _land(settings, answers, now, ApiSpend(Decimal(0)))


def pull_spot_prices(settings: Settings, now: datetime) -> Ingested:
    """Spot prices of accelerated types in every inventory region since the last pull, of a week at first."""
    answers, known = _Answers(), _known_listings(settings)
    types = [row["instance_type"] for row in Seeds(SQL_DIR / "seeds").rows("instance_types")]
    for region in settings.inventory_regions:
        whose = f"EC2 spot prices {region}"
        if entered := answers.ask(whose, "spot_prices", partial(_enter, "", region, "")):
            place = Place(entered[0], region, now, known)
            before = known.get(place.name("spot-prices"))
            since = before.observed_at if before else now - FIRST_SPOT_PULL
            ask = partial(spot_prices.fetch, entered[1], place, min(since, now), types)
            answers.gather(whose, "spot_prices", (ask() for _ in range(1)))
    return _land(settings, answers, now, ApiSpend(Decimal(0)))


def _enter(role: str, region: str, external_id: str) -> tuple[str, EC2Client]:
    """The account, and a client that may ask it."""
    if not role:
        return clients.account_id(region), clients.ec2(region)
    return role.split(":")[4], clients.ec2(region, clients.assume_role(role, region, external_id))


def _list_ec2(answers: _Answers, whose: str, place: Place, client: EC2Client) -> None:
    """Instances, then their types; reservations need a permission of their own and fail alone."""
    fetched = answers.ask(whose, "inventory", lambda: ec2_instances.fetch(client, place))
    if fetched:
        instances, types = ec2_instances.types_listed(fetched)
        answers.deliveries.append(instances)
        answers.gather(whose, "inventory", (ec2_types.fetch(client, place, each) for each in [types] if each))
    answers.gather(whose, "inventory", (ec2_reservations.fetch(client, place) for _ in range(1)))


def _known_listings(settings: Settings) -> dict[str, Known]:
    """The newest delivery of each EC2 object."""
    with warehouse(settings) as conn:
        rows = utc_rows(
            conn,
            "select object, content_sha256, observed_at from raw_deliveries where starts_with(object, 'ec2://') "
            "qualify row_number() over (partition by object order by observed_at desc, delivery_id desc) = 1",
        )
    return {name: Known(sha256, observed_at) for name, sha256, observed_at in rows}


def _resources(settings: Settings, told: Mapping[str, str], now: datetime, spend: ApiSpend) -> Iterator[ParsedDelivery]:
    """Cost per instance of the accounts that have not answered for it lately; `told` lists the accounts there are."""
    accounts = settings.cost_explorer_accounts
    if not accounts:
        accounts = tuple(filter(None, told.get(cost_explorer.bill_name(*bill_window(now)), "").split(",")))
    start, end = cost_explorer_resources.resource_window(now)
    due = [account for account in accounts if cost_explorer_resources.pull_name(start, end, account) not in told]
    client = clients.cost_explorer()
    yield from cost_explorer_resources.fetch(client, accounts=due, now=now, spend=spend)


def bill_window(now: datetime) -> tuple[date, date]:
    """UTC days `[start, end)` whose amounts may still move: 35 of them, and the previous month until it has settled."""
    month = (now - PREVIOUS_MONTH_SETTLES).date().replace(day=1)
    return min(month, (now - AMOUNTS_MOVE).date()), now.date()


def _land(settings: Settings, answers: _Answers, now: datetime, spend: ApiSpend) -> Ingested:
    """Land what was fetched before: other writers must not wait for AWS."""
    with warehouse(settings) as conn:
        landed = land(conn, answers.deliveries, arrived_at=now)
        if units := spend.billed_units:
            own_spend.note(conn, [_request(units, spend, now)])
    return Ingested((*landed, *answers.unreachable), spent_usd=spend.usd)


def _request(units: int, spend: ApiSpend, now: datetime) -> ApiRequest:
    return ApiRequest(now, COST_EXPLORER, READ_COSTS, "", "", "", None, units, units, spend.usd_per_unit, WHOLE)
