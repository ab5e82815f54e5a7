"""Bills are drawn many at once and allocated in one batch; one that breaks an invariant is shrunk alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.models import Models
from tests.properties.allocation import Batch, allocate
from tests.properties.bills import Bill, bills
from tests.properties.edges import DRAWN

ALONE = 15
INVARIANTS = Path(__file__).parent / "invariants"
QUIET = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=False)


@dataclass(frozen=True)
class Drawn:
    """As many bills as `examples`, drawn from the seed, and their batch."""

    models: Models
    seed: int
    examples: int
    batch: Batch

    def holds(self, invariant: str) -> None:
        """No bill breaks the invariant; one that does is shrunk and shown."""
        sql = (INVARIANTS / f"{invariant}.sql").read_text("utf-8")
        broken = self.batch.violations(sql)
        if broken:
            self._shrink(sql, {self.batch.bills[row[0]] for row in broken})
        assert not broken, f"{invariant}: {len(broken)} violations, which these bills show only together: {broken[:5]}"

    def _shrink(self, sql: str, broken: set[Bill]) -> None:
        """Draws the same bills again; from the first broken one on, each is allocated alone, up to a number."""
        known: dict[Bill, list[tuple[object, ...]]] = {}

        def alone(bill: Bill) -> None:
            if bill not in known and len(known) < ALONE and (known or bill in broken):
                one = allocate(self.models, [bill])
                known[bill] = one.violations(sql)
                one.conn.close()
            assert known.get(bill, []) == []

        for number, (drawing, examples) in enumerate(drawings(self.examples)):
            phases = [Phase.generate, Phase.shrink]
            limits = settings(QUIET, max_examples=examples, phases=phases, report_multiple_bugs=False)
            hypothesis.seed(self.seed + number)(limits(given(drawing)(alone)))()


def drawings(examples: int) -> list[tuple[st.SearchStrategy[Bill], int]]:
    """Half of the examples as they come, the other half divided over the cases that a bill is made to show."""
    each = examples // (2 * len(DRAWN))
    shaped = [(bills.map(edge.shape), each) for edge in DRAWN if edge.shape]
    return [*shaped, (bills, examples - each * len(shaped))]


def draw(models: Models, seed: int, examples: int) -> Drawn:
    """Bills as Hypothesis draws them, allocated."""
    drawn: list[Bill] = []

    def collect(bill: Bill) -> None:
        drawn.append(bill)

    for number, (drawing, count) in enumerate(drawings(examples)):
        limits = settings(QUIET, max_examples=count, phases=[Phase.generate])
        hypothesis.seed(seed + number)(limits(given(drawing)(collect)))()
    return Drawn(models, seed, examples, allocate(models, drawn))
