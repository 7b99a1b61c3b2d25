"""Which requests read a set of tags: blocks that cover exactly the tags and obey the device's limits. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final

from gateway_modbus.addresses import DataTable, Stretch

COILS_PER_REGISTER: Final = 16


@dataclass(frozen=True, slots=True)
class Span:
    """Where one tag lies: `length` elements of `table` from `start`; `index` is its place in the scan group."""

    table: DataTable
    start: int
    length: int
    index: int

    @property
    def end(self) -> int:
        """The first element behind it."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` elements of `table` from `start`, for the tags in `spans` (by start)."""

    spans: tuple[Span, ...]
    table: DataTable
    start: int
    count: int

    @classmethod
    def over(cls, spans: Sequence[Span]) -> "Block":
        """The smallest block over `spans`, which lie in one table."""
        start, end = min(span.start for span in spans), max(span.end for span in spans)
        return cls(tuple(spans), spans[0].table, start, end - start)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for, and how many elements may be read needlessly to save one."""

    registers: int = 125
    coils: int = 2000
    gap: int = 16
    holes: tuple[Stretch, ...] = ()  # elements that are never asked for

    def of(self, table: DataTable) -> tuple[int, int]:
        """(most elements of a request, widest gap) in elements of `table`."""
        return (self.coils, self.gap * COILS_PER_REGISTER) if table.bits else (self.registers, self.gap)


def plan(spans: Iterable[Span], limits: Limits) -> list[Block]:
    """Gather `spans` into as few blocks as the limits allow; no tag is ever cut in two."""
    ordered = sorted(spans, key=lambda span: (span.table, span.start, span.end))
    blocks: list[Block] = []
    for table, members in groupby(ordered, key=attrgetter("table")):
        most, gap = limits.of(table)
        blocks += _gather(members, most, gap, [hole for hole in limits.holes if hole.table is table])
    return blocks


def _gather(spans: Iterable[Span], most: int, gap: int, holes: Sequence[Stretch]) -> Iterable[Block]:
    held: list[Span] = []
    start = end = 0
    for span in spans:
        too_far = span.start - end > gap or any(hole.meets(span.table, end, span.start) for hole in holes)
        if held and (too_far or max(end, span.end) - start > most):
            yield Block.over(held)
            held = []
        start, end = (start, max(end, span.end)) if held else (span.start, span.end)
        held.append(span)
    if held:
        yield Block.over(held)


def split(block: Block) -> tuple[Block, ...]:
    """The two halves of a block that a device refuses, cut between two tags; () for a single tag.

    What lies between the halves is no longer read, so that a refused gap heals as a refused tag does.
    """
    half = len(block.spans) // 2
    return (Block.over(block.spans[:half]), Block.over(block.spans[half:])) if half else ()
