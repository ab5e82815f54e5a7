"""The invariants of the allocation, each a property over drawn bills: 200 here, 5,000 in the slow tier.

Drawing is cheap and a run of the models is not: all bills are allocated in one batch,
and an invariant is one query over
it (`invariants/*.sql`), whose rows name the bills that break it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import randrange

import hypothesis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RefusedDelivery
from pipeline.headers import substitute
from pipeline.models import Models, load_models, time_literal
from pipeline.warehouse import SQL_DIR
from pipeline.windows import ALL_TIME
from tests.properties.allocation import RESULTS, allocate, select
from tests.properties.bills import Bill, bills
from tests.properties.cur_file import deliver
from tests.properties.drawing import INVARIANTS, Drawn, draw
from tests.properties.edges import shown_in
from tests.properties.exports import usd
from tests.properties.lines import lines_of

EXAMPLES = 200
MORE_AT_ONCE, TIMES = 500, 10


@pytest.fixture(scope="module")
def models() -> Models:
    return load_models(SQL_DIR)


@pytest.fixture(scope="module")
def seed() -> int:
    """Hypothesis's own seed where it has one: `--hypothesis-seed` draws the same bills again."""
    forced = hypothesis.core.global_force_seed
    return randrange(2**64) if forced is None else int(forced)


@pytest.fixture(scope="module")
def drawn(models: Models, seed: int) -> Iterator[Drawn]:
    several = draw(models, seed, EXAMPLES)
    yield several
    several.batch.conn.close()


def test_i01_conservation_every_line_is_allocated_to_the_last_unit(drawn: Drawn) -> None:
    drawn.holds("i01_conservation")


def test_i02_completeness_no_line_is_lost_and_none_counted_twice(drawn: Drawn) -> None:
    drawn.holds("i02_completeness")


def test_i03_sign_a_part_has_the_sign_of_its_line_and_idle_is_never_negative(drawn: Drawn) -> None:
    drawn.holds("i03_sign")


def test_i04_rounding_gives_what_does_not_divide_to_the_largest_remainders(drawn: Drawn) -> None:
    drawn.holds("i04_rounding")


def test_i05_associativity_days_are_the_sums_of_their_hours(drawn: Drawn) -> None:
    drawn.holds("i05_associativity")


def test_i05_associativity_windows_allocated_apart_make_the_whole(drawn: Drawn) -> None:
    batch = drawn.batch
    found = batch.conn.execute("select distinct usage_date from true_lines order by usage_date").fetchall()[::4]
    cuts = [
        ALL_TIME.start_at,
        *(datetime(day.year, day.month, day.day, tzinfo=UTC) for (day,) in found),
        ALL_TIME.end_at,
    ]
    for name in ("int_hour_weights", "int_cost_parts", "fct_cost_allocated_hourly"):
        parts = " union all ".join(f"({select(drawn.models, name, *window)})" for window in pairwise(cuts))
        batch.conn.execute(f"create or replace temp table apart as {parts}")
        for less, more in (("apart", name), (name, "apart")):
            assert batch.violations(f"from {less} except all from {more} limit 5") == []


def test_i06_permutation_and_double_delivery_change_nothing(drawn: Drawn) -> None:
    drawn.holds("i06_permutation")


def test_i07_capacity_is_never_exceeded_unflagged(drawn: Drawn) -> None:
    drawn.holds("i07_capacity")


def test_i08_proration_is_exact_across_hours_days_and_months(drawn: Drawn) -> None:
    drawn.holds("i08_proration")


def test_i09_restatement_changes_the_cost_by_what_the_bill_changed(drawn: Drawn) -> None:
    drawn.holds("i09_restatement")


def test_i09_restatements_add_up_to_the_bill(drawn: Drawn) -> None:
    drawn.holds("i09_restatements")


def test_i10_bases_are_never_mixed_and_commitments_add_up(drawn: Drawn) -> None:
    drawn.holds("i10_bases")


def test_i11_adjustments_stay_whole(drawn: Drawn) -> None:
    drawn.holds("i11_adjustments")


@given(
    bill=bills.filter(lambda bill: bill.charges),
    currency=st.sampled_from(["EUR", "CNY", "GBP", "usd"]),
    at=st.integers(0),
)
def test_i12_currency_is_never_converted_unasked(bill: Bill, currency: str, at: int) -> None:
    lines = lines_of(bill, 1)
    dollars = ["USD"] * len(lines)
    with tempfile.TemporaryDirectory() as folder:
        told = pa.Table.from_batches([rows for _, rows in deliver(lines, dollars, Path(folder)).batches])
        assert sum(told["unblended_cost"].to_pylist()) == usd(sum(line.billed for line in lines))
        dollars[at % len(lines)] = currency
        with pytest.raises(RefusedDelivery, match=f"currency {currency}, not USD"):
            list(deliver(lines, dollars, Path(folder)).batches)


@given(bill=bills.filter(lambda bill: bill.charges), at=st.integers(0))
def test_a_new_column_and_a_new_map_key_change_no_amount(bill: Bill, at: int) -> None:
    lines = lines_of(bill, 1)
    dollars = ["USD"] * len(lines)
    with tempfile.TemporaryDirectory() as folder:
        plain = [rows for _, rows in deliver(lines, dollars, Path(folder)).batches]
        drifted = deliver(lines, dollars, Path(folder), drifted_from=at % len(lines))
        found = [rows for _, rows in drifted.batches]
    assert drifted.rejects == []
    one, other = pa.Table.from_batches(plain), pa.Table.from_batches(found)
    assert other.drop_columns(["resource_tags"]) == one.drop_columns(["resource_tags"])
    assert '"user_new"' in other["resource_tags"][-1].as_py()


def test_i13_late_telemetry_moves_money_between_classes_only(drawn: Drawn) -> None:
    drawn.holds("i13_late_telemetry")


def test_i14_zero_denominators_lose_no_money_and_give_no_nan(drawn: Drawn) -> None:
    drawn.holds("i14_zero_denominators")


def test_i15_scale_multiplies_every_part(drawn: Drawn) -> None:
    drawn.holds("i15_scale")


def test_i16_monotonic_more_device_time_never_costs_less(drawn: Drawn) -> None:
    drawn.holds("i16_monotonic")


def test_i17_triangulation_names_every_difference_between_sources(drawn: Drawn) -> None:
    drawn.holds("i17_triangulation")


def test_i18_filter_safety_some_accounts_alone_are_allocated_as_among_all(drawn: Drawn) -> None:
    numbers = range(3, len(drawn.batch.bills), 25)
    some = allocate(drawn.models, [drawn.batch.bills[number] for number in numbers], numbers)
    # which account an instance without inventory and bill belongs to, Cost Explorer's other accounts tell
    chosen = f"""
        from fct_cost_allocated_hourly
        where bill_of(twin_of(account_id)) in {tuple(numbers)} and cost_source in ('cur', 'focus') order by all
    """
    assert some.violations(chosen) == drawn.batch.violations(chosen) != []
    some.conn.close()


def test_i19_splits_of_aws_are_no_money_of_their_own(drawn: Drawn) -> None:
    assert drawn.batch.violations(
        "select count(*), sum(unused_cost_usd) from stg_cur_splits having sum(unused_cost_usd) > 0"
    )
    drawn.holds("i19_splits")


def test_no_failing_check_of_a_model_of_money_would_stop_a_publication(drawn: Drawn) -> None:
    window = {"start_at": time_literal(ALL_TIME.start_at), "end_at": time_literal(ALL_TIME.end_at)}
    for name in ("int_cost_lines", "int_hour_weights", "int_cost_parts", *RESULTS):
        for check in drawn.models[name].checks if name in drawn.models else ():
            failures = check.query or f"from {name} where not ({check.expression})"
            if check.severity == "fail":
                assert drawn.batch.violations(f"from ({substitute(failures, window)}) limit 3") == [], check.why


def test_a_tag_charges_its_team_from_that_day_on_however_it_is_spelt(drawn: Drawn) -> None:
    drawn.holds("teams")


def test_every_edge_case_that_is_drawn_is_among_the_bills(drawn: Drawn) -> None:
    assert [name for name, count in shown_in(drawn.batch.bills) if not count] == []
    assert len(drawn.batch.bills) >= EXAMPLES * 9 // 10


def test_i20_unit_cost_without_units_is_null_with_a_reason(drawn: Drawn) -> None:
    assert drawn.batch.violations(
        "select 1 from mart_unit_cost_daily where cost_per_million_units_usd is not null limit 1"
    )
    drawn.holds("i20_unit_costs")


@pytest.mark.slow
@pytest.mark.parametrize("time", range(TIMES))
def test_all_invariants_hold_for_many_more_bills(models: Models, seed: int, time: int) -> None:
    several = draw(models, seed + (1 + time) * 1000, MORE_AT_ONCE)
    for path in sorted(INVARIANTS.glob("*.sql")):
        several.holds(path.stem)
    several.batch.conn.close()
