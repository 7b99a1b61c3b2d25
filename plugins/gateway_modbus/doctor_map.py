"""Which addresses around its tags a device lets be read, and how many at once. Reads only; bounded.

A block that is refused is halved, never inside a tag, until what is refused stands alone.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from gateway_modbus.addresses import DataTable, Stretch
from gateway_modbus.faults import GOOD
from gateway_modbus.plan import Block

REQUESTS: Final = 200  # for one table

Probe = Callable[[int, int], Awaitable[int]]
"""Read `count` elements from `start`: → outcome (`faults`)."""

Atom = tuple[int, int]  # start and length: a tag, or one element between tags


@dataclass(slots=True)
class Map:
    """What one table lets be read.

    Attributes:
        table: which.
        good: (start, end) of what was read, by address.
        refused: what was refused when asked for alone, by address: (start, end, outcome).
        largest: most elements that one request has brought.
        smallest: fewest elements of a request that was refused though each of them can be read; None for none.
        whole: whether all was looked at; False where that would have taken too many requests.
    """

    table: DataTable
    good: list[tuple[int, int]] = field(default_factory=list)
    refused: list[tuple[int, int, int]] = field(default_factory=list)
    largest: int = 0
    smallest: int | None = None
    whole: bool = True
    requests: int = 0

    def runs(self) -> list[tuple[int, int]]:
        """What can be read, neighbours joined."""
        runs: list[tuple[int, int]] = []
        for start, end in sorted(self.good):
            if runs and start <= runs[-1][1]:
                runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
            else:
                runs.append((start, end))
        return runs

    def holes(self) -> list[Stretch]:
        """What cannot be read, neighbours joined."""
        holes: list[Stretch] = []
        for start, end, _ in sorted(self.refused):
            if holes and start == holes[-1].last + 1:
                holes[-1] = Stretch(self.table, holes[-1].first, end - 1)
            else:
                holes.append(Stretch(self.table, start, end - 1))
        return holes


async def explore(probe: Probe, table: DataTable, blocks: Sequence[Block], most: int) -> Map:
    """Look at `blocks` of `table`, and find how many elements, up to `most`, one request may ask for."""
    found = Map(table)
    for block in blocks:
        await _halve(probe, found, _atoms(block))
    await _limit(probe, found, most)
    return found


def _atoms(block: Block) -> list[Atom]:
    """What is not cut: each tag, and each element between two."""
    atoms: list[Atom] = []
    at = block.start
    for span in block.spans:
        atoms += [(between, 1) for between in range(at, span.start)]
        if span.end > at:
            start = max(at, span.start)
            atoms.append((start, span.end - start))
        at = max(at, span.end)
    return atoms


async def _halve(probe: Probe, found: Map, atoms: list[Atom]) -> None:
    heap = [atoms]
    while heap:
        part = heap.pop()
        start, end = part[0][0], part[-1][0] + part[-1][1]
        if found.requests >= REQUESTS:
            found.whole = False
            return
        outcome = await _count(probe, found, start, end - start)
        if outcome == GOOD:
            found.good.append((start, end))
        elif len(part) == 1:
            found.refused.append((start, end, outcome))
        else:
            heap += [part[len(part) // 2 :], part[: len(part) // 2]]


async def _count(probe: Probe, found: Map, start: int, count: int) -> int:
    found.requests += 1
    outcome = await probe(start, count)
    if outcome == GOOD:
        found.largest = max(found.largest, count)
    return outcome


async def _limit(probe: Probe, found: Map, most: int) -> None:
    """Between the largest that was answered and the longest that could be, halve until the limit is known."""
    start, end = max(found.runs(), key=lambda run: run[1] - run[0], default=(0, 0))
    low, high = found.largest, min(end - start, most) + 1
    while high - low > 1 and found.requests < REQUESTS:
        middle = (low + high) // 2 if found.smallest is not None else high - 1
        if await _count(probe, found, start, middle) == GOOD:
            low = middle
        else:
            high = found.smallest = middle


def gaps(holes: Sequence[Stretch], tags: Sequence[tuple[int, int]]) -> list[Stretch]:
    """The part of `holes` that no tag, (start, end), lies in: what may be declared."""
    taken = {element for start, end in tags for element in range(start, end)}
    free = sorted({n for hole in holes for n in range(hole.first, hole.last + 1)} - taken)
    if not free:
        return []
    table = holes[0].table
    cuts = [0, *(i + 1 for i, (one, other) in enumerate(pairwise(free)) if other != one + 1), len(free)]
    return [Stretch(table, free[start], free[end - 1]) for start, end in pairwise(cuts)]
