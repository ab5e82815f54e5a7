"""True money of Capacity Blocks: each hour of a block has its part of the fee, and who ran in it has that hour's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.world.events import Block
from pipeline.world.fleet import Fleet, Node
from pipeline.world.lines import Line, split
from pipeline.world.options import SECONDS_PER_HOUR, hour_of


@dataclass(frozen=True)
class BlockPiece:
    """A part of a fee in units: of the instance that ran, or of nobody (`node` None)."""

    hour: int
    account_id: str
    region: str
    instance_type: str
    node: Node | None
    effective: int


def block_pieces(fleet: Fleet, lines: Sequence[Line]) -> list[BlockPiece]:
    """All pieces of all blocks of the fleet; those of a fee sum to it."""
    fees = {line.reservation.rpartition("/")[2]: line for line in lines if line.is_block_fee}
    return [piece for block in fleet.blocks for piece in _pieces(fleet, block, fees[block.reservation_id])]


def _pieces(fleet: Fleet, block: Block, fee: Line) -> Iterator[BlockPiece]:
    nodes = [node for node in fleet.nodes if node.reservation_id == block.reservation_id]
    hours = range(hour_of(block.start), block.end, SECONDS_PER_HOUR)
    spans = [(max(hour, block.start), min(hour + SECONDS_PER_HOUR, block.end)) for hour in hours]
    for hour, (start, end), cost in zip(
        hours, spans, split(fee.unblended, [end - start for start, end in spans]), strict=True
    ):
        ran = [(node, max(0, node.runs(start, end)[1] - node.runs(start, end)[0])) for node in nodes]
        running: list[tuple[Node | None, int]] = [part for part in ran if part[1]]
        empty = (end - start) * block.count - sum(seconds for _, seconds in running)
        parts = running + ([(None, empty)] if empty else [])
        shares = split(cost, [seconds for _, seconds in parts])
        for (node, _), share in zip(parts, shares, strict=True):
            yield BlockPiece(hour, fee.account_id, fee.region, fee.instance_type, node, share)
