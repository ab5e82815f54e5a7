"""The published coverage of commitments beside the simulated bill."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.world.lines import RI_COVERED, RI_FEE, SP_COVERED, SP_RECURRING, Line
from tests.support import truth
from tests.support.ledgers import Ledger

KINDS = {"savings_plan": (SP_COVERED, SP_RECURRING), "reserved_instance": (RI_COVERED, RI_FEE)}
COMMITTED = """
    select commitment_kind, sum(used_usd) as used, sum(unused_usd) as unused, sum(commitment_usd) as committed
    from mart_commitment_coverage_daily where commitment_usd is not null group by commitment_kind order by 1
"""


def assert_commitments_true(ledger: Ledger, lines: Sequence[Line]) -> None:
    """Used and unused of every commitment are those of the simulated lines; of a Capacity Block, of its fee."""
    found = {kind: [int(usd.scaleb(10)) for usd in sums] for kind, *sums in truth.rows(ledger, COMMITTED)}
    for kind, (covered, charged) in KINDS.items():
        used = sum(line.drawn or 0 for line in lines if line.record_type == covered)
        committed = sum(line.commitment or 0 for line in lines if line.record_type == charged)
        assert found[kind] == [used, committed - used, committed]
    fee = sum(line.unblended for line in lines if line.is_block_fee)
    assert found["capacity_block"][2] == fee
    assert 0 < found["capacity_block"][0] < fee
