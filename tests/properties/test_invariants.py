"""The invariants of the allocation, each a property over bills that Hypothesis draws: 200 here, 5,000 in the slow tier.

Drawing is cheap and a run of the models is not, so all bills are drawn first and allocated in one batch; each invariant
is then one query (`invariants/*.sql`), whose rows name the bills that break it. Such a bill is drawn again, alone, and
shrunk by Hypothesis.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import randrange

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from pipeline.models import Models, load_models
from pipeline.warehouse import SQL_DIR
from tests.properties.allocation import Batch, allocate 
from tests.properties.bills import Bill, bills

HERE = Path(__file__).parent
EXAMPLES = 200
QUIET = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=False)


@pytest.fixture(scope="module")
def models() -> Models:
    return load_models(SQL_DIR)


@pytest.fixture(scope="module")
def seed() -> int:
    """Hypothesis's own seed where it has one, so that `--hypothesis-seed` draws the same bills again."""
    forced = hypothesis.core.global_force_seed
    return randrange(2**64) if forced is None else int(forced)


@pytest.fixture(scope="module")
def batch(models: Models, seed: int) -> Iterator[Batch]:
    drawn = allocate(models, draw(EXAMPLES, seed))
    yield drawn
    drawn.conn.close()


def draw(examples: int, seed: int) -> list[Bill]:
    """As many bills as Hypothesis draws from the seed."""
    drawn: list[Bill] = []

    @hypothesis.seed(seed)
    @settings(QUIET, max_examples=examples, phases=[Phase.generate])
    @given(bills)
    def collect(bill: Bill) -> None:
        drawn.append(bill)

    collect()
    return drawn


def hold(invariant: str, batch: Batch, models: Models, seed: int) -> None:
    """No bill of the batch breaks the invariant; one that does is shrunk, alone, and shown."""
    sql = (HERE / "invariants" / f"{invariant}.sql").read_text("utf-8")
    broken = batch.violations(sql)
    if broken:
        shrink(sql, {batch.bills[row[0]] for row in broken}, models, seed)
    assert not broken, f"{len(broken)} violations, among other bills only"


def shrink(sql: str, broken: set[Bill], models: Models, seed: int) -> None:
    """Draws the same bills again; from the first broken one on, each is allocated alone."""
    found = False

    @hypothesis.seed(seed)
    @settings(QUIET, max_examples=EXAMPLES, phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False)
    @given(bills)
    def alone(bill: Bill) -> None:
        nonlocal found
        found = found or bill in broken
        if found:
            assert allocate(models, [bill]).violations(sql) == []

    alone()


def test_i01_conservation_every_line_is_allocated_to_the_last_unit(batch: Batch, models: Models, seed: int) -> None:
    hold("i01_conservation", batch, models, seed)


def test_i02_completeness_no_line_is_lost_and_none_counted_twice(batch: Batch, models: Models, seed: int) -> None:
    hold("i02_completeness", batch, models, seed)


def test_i03_sign_a_part_has_the_sign_of_its_line_and_idle_is_never_negative(batch: Batch, models: Models, seed: int) -> None:
    hold("i03_sign", batch, models, seed)


def test_i04_rounding_gives_what_does_not_divide_to_the_largest_remainders(batch: Batch, models: Models, seed: int) -> None:
    hold("i04_rounding", batch, models, seed)


def test_i05_associativity_days_are_the_sums_of_their_hours(batch: Batch, models: Models, seed: int) -> None:
    hold("i05_associativity", batch, models, seed)


def test_i06_permutation_and_double_delivery_change_nothing(batch: Batch, models: Models, seed: int) -> None:
    hold("i06_permutation", batch, models, seed)


def test_i07_capacity_is_never_exceeded_unflagged(batch: Batch, models: Models, seed: int) -> None:
    hold("i07_capacity", batch, models, seed)


def test_i08_proration_is_exact_across_hours_days_and_months(batch: Batch, models: Models, seed: int) -> None:
    hold("i08_proration", batch, models, seed)


def test_i09_restatement_changes_the_cost_by_what_the_bill_changed(batch: Batch, models: Models, seed: int) -> None:
    hold("i09_restatement", batch, models, seed)


def test_i10_bases_are_never_mixed_and_commitments_add_up(batch: Batch, models: Models, seed: int) -> None:
    hold("i10_bases", batch, models, seed)


def test_i11_adjustments_stay_whole(batch: Batch, models: Models, seed: int) -> None:
    hold("i11_adjustments", batch, models, seed)


def test_i13_late_telemetry_moves_money_between_classes_only(batch: Batch, models: Models, seed: int) -> None:
    hold("i13_late_telemetry", batch, models, seed)


def test_i14_zero_denominators_lose_no_money_and_give_no_nan(batch: Batch, models: Models, seed: int) -> None:
    hold("i14_zero_denominators", batch, models, seed)


def test_i15_scale_multiplies_every_part(batch: Batch, models: Models, seed: int) -> None:
    hold("i15_scale", batch, models, seed)


def test_i16_monotonic_more_device_time_never_costs_less(batch: Batch, models: Models, seed: int) -> None:
    hold("i16_monotonic", batch, models, seed)


def test_i17_triangulation_names_every_difference_between_sources(batch: Batch, models: Models, seed: int) -> None:
    hold("i17_triangulation", batch, models, seed)
