"""Where MIG instances may lie on a GPU, by NVIDIA's table of placements, and what still fits beside some of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations_with_replacement

Layout = tuple[int, ...]
# compute slices of the device → compute slices of an instance → (memory slots it takes, slots at which it may begin)
PLACEMENTS: dict[int, dict[int, tuple[int, tuple[int, ...]]]] = {
    7: {1: (1, tuple(range(7))), 2: (2, (0, 2, 4)), 3: (4, (0, 4)), 4: (4, (0,)), 7: (8, (0,))},
    4: {1: (1, (0, 1, 2, 3)), 2: (2, (0, 2)), 4: (4, (0,))},
}


def layouts(device: int) -> Iterator[Layout]:
    """Every set of instances that a device can hold, largest first."""
    for count in range(1, device + 1):
        for chosen in combinations_with_replacement(sorted(PLACEMENTS[device], reverse=True), count):
            if arrangements(device, chosen):
                yield chosen


@cache
def arrangements(device: int, instances: Layout) -> frozenset[frozenset[int]]:
    """The sets of slots that these instances can take together."""
    if not instances:
        return frozenset({frozenset()})
    size, starts = PLACEMENTS[device][instances[-1]]
    spans = [frozenset(range(start, start + size)) for start in starts]
    return frozenset(
        taken | span for taken in arrangements(device, instances[:-1]) for span in spans if not taken & span
    )


def fits(device: int, instances: Layout, wanted: int) -> tuple[int, int]:
    """How many instances of `wanted` slices still fit: in the worst arrangement of what is there, and in the best."""
    size, starts = PLACEMENTS[device][wanted]
    counts = [
        sum(not taken & frozenset(range(start, start + size)) for start in starts)
        for taken in arrangements(device, instances)
    ]
    return min(counts), max(counts)
