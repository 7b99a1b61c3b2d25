"""One scan group as requests and answers: what to ask now, what an answer means, and the batch that comes of it. Pure.

Devices of one profile share their plan and their decoder, and are decoded together, as rows of one array.

A block that the device refuses is halved until the refused tag stands alone; that tag then rests, and all others flow.
A block that stays silent while others of its unit answer is treated alike. What was refused is tried again every five
minutes; what was silent, as on a bad line, first after ten seconds, then more rarely, each minute at least. When the
last tag of a block is back the block is read whole again.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.sdk import Batch, Group, Tag, quality
from gateway_modbus.addresses import DataTable
from gateway_modbus.coding import Coding
from gateway_modbus.config import ModbusDevice
from gateway_modbus.decode import Decoder, Other, Place
from gateway_modbus.faults import GOOD, ILLEGAL, SILENT, status
from gateway_modbus.frames import Request, read_request
from gateway_modbus.plan import Block, Limits, Span, plan, split
from gateway_modbus.tag import ModbusTag

PROFILES: Final = 256  # layouts of devices whose plan and decoder are kept to be shared
REST: Final = 300.0  # seconds between two trials of a tag that was refused
NAP: Final = 10.0  # seconds to the first new trial of one that was silent; twice as long each time, up to
LONGEST_NAP: Final = 60.0  # this: a bad line may silence sound registers, and one that is dead costs a timeout a trial
PATIENCE: Final = 3  # silences of a block, its unit answering otherwise, that count as a refusal


@dataclass(slots=True, eq=False)
class Part:
    """A block as it is asked now: a block of the plan, or a piece of one that was refused."""

    request: Request
    block: Block
    origin: Block
    base: int  # where its origin begins in the buffer
    rows: NDArray[np.intp]  # places of its tags in the group
    until: float = 0.0  # it rests until then
    nap: float = 0.0  # how long its last rest was, after a silence
    rested: bool = False
    misses: int = 0


class Scan:
    """The requests of one group and what is known about them."""

    def __init__(self, group: Group, config: ModbusDevice, counters: Counter[str]) -> None:
        self.group = group
        self.answered = False  # whether the unit gave any answer since `due`
        self.refused: list[Tag] = []  # tags that were sent to rest since `due`, for the log
        self.received = 0  # when its last answer came, Unix ns
        self._config, self._counters = config, counters
        tags = [_tag(tag) for tag in group.tags]
        codings = tuple(tag.coding(config.order) for tag in tags)
        spans = tuple(
            Span(tag.at.table, tag.at.number, coding.registers or 1, index)
            for index, (tag, coding) in enumerate(zip(tags, codings, strict=True))
        )
        layout = _layout(spans, codings, _limits(config))
        self.buffer, self.decoder = bytearray(layout.size), layout.decoder
        self.status = np.full(len(group), quality.BAD_WAITING_FOR_INITIAL_DATA, np.uint32)
        self.clear = False  # whether all tags are good and nothing rests: the case that costs nothing
        self._parts = [self._part(block, block, base) for block, base in layout.blocks]
        self._requests = [part.request for part in self._parts]
        self.all_good = [GOOD] * len(self._parts)  # outcomes where nothing is amiss

    def due(self, now: float) -> list[Part]:
        """What is to be asked in the scan that begins now."""
        self.answered = False
        if self.clear:
            return self._parts
        self.refused = []
        # what was refused comes last: should it stay silent, it ends a scan that has all else
        return sorted((part for part in self._parts if now >= part.until), key=lambda part: part.rested)

    def requests(self, asked: list[Part]) -> list[Request]:
        """What is sent for `asked`."""
        return self._requests if asked is self._parts else [part.request for part in asked]

    def settle(self, asked: Sequence[Part], outcomes: Sequence[int], now: float) -> list[Part]:
        """Take the outcomes of what was asked. Returns the halves of refused blocks: they may be asked at once."""
        halves: list[Part] = []
        for part, outcome in zip(asked, outcomes, strict=False):
            self.status[part.rows] = status(outcome)
            self.answered = self.answered or outcome not in SILENT
            if outcome == GOOD:
                self._good(part)
            elif outcome in ILLEGAL:
                halves += self._refuse(part, now)
            elif outcome in SILENT:
                self._miss(part, now)
        for part in asked[len(outcomes) :]:  # a silence ended the scan
            self.status[part.rows] = status(outcomes[-1])
        self.clear = not self.status.any()
        if self.clear:
            self._requests = [part.request for part in self._parts]
            self.all_good = [GOOD] * len(self._parts)
        return halves

    def batch(self, received: int) -> Batch:
        """The group as it stands now; what has no good answer is NaN."""
        self.received = received
        return batches([self])[0]

    def _good(self, part: Part) -> None:
        part.misses, part.until, part.nap = 0, 0.0, 0.0
        if part.rested:
            part.rested = False
            family = [other for other in self._parts if other.origin is part.origin]
            if not any(other.rested for other in family):
                self._replace(family, [self._part(part.origin, part.origin, part.base)])

    def _refuse(self, part: Part, now: float, *, silent: bool = False) -> list[Part]:
        halves = [self._part(block, part.origin, part.base) for block in split(part.block)]
        if halves:
            self._replace([part], halves)
            self._counters["blocks_split_total"] += 1
            return halves
        if not part.rested:
            self.refused.append(self.group.tags[part.rows[0]])
            self._counters["tags_refused_total"] += 1
        part.nap = min(2 * part.nap or NAP, LONGEST_NAP) if silent else REST
        part.until, part.rested = now + part.nap, True
        return []

    def _miss(self, part: Part, now: float) -> None:
        if part.rested:  # tried again in vain
            self._refuse(part, now, silent=True)
            return
        self._replace([part], [part])  # last in the next scan: the others of the unit are heard first
        part.misses += self.answered
        if part.misses >= PATIENCE:
            self._refuse(part, now, silent=True)

    def _replace(self, old: Sequence[Part], new: Sequence[Part]) -> None:
        self._parts = [part for part in self._parts if part not in old] + list(new)

    def _part(self, block: Block, origin: Block, base: int) -> Part:
        unit, size = self._config.endpoint.unit, _bytes_between(block.table, 0, block.count)
        start = base + _bytes_between(block.table, origin.start, block.start)
        slot = memoryview(self.buffer)[start : start + size]
        request = Request(
            tail=read_request(unit, block.table.function, block.start, block.count),
            size=-(-block.count // 8) if block.table.bits else size,
            store=_bits_into(slot) if block.table.bits else _registers_into(slot),
            timeout=self._config.timeout,
            delay=self._config.delay,
        )
        return Part(request, block, origin, base, np.array([span.index for span in block.spans], np.intp))


def _limits(config: ModbusDevice) -> Limits:
    return Limits(config.max_registers, config.max_coils, config.gap, tuple(config.holes))


@dataclass(frozen=True, slots=True)
class Layout:
    """What devices of one profile share: their blocks, where each begins in the buffer, and how the buffer is read."""

    blocks: tuple[tuple[Block, int], ...]
    size: int
    decoder: Decoder


@lru_cache(PROFILES)
def _layout(spans: tuple[Span, ...], codings: tuple[Coding, ...], limits: Limits) -> Layout:
    blocks = plan(spans, limits)
    *bases, size = accumulate((_bytes_between(block.table, 0, block.count) for block in blocks), initial=0)
    places = {
        span.index: Place(base + _bytes_between(block.table, block.start, span.start), codings[span.index])
        for block, base in zip(blocks, bases, strict=True)
        for span in block.spans
    }
    return Layout(tuple(zip(blocks, bases, strict=True)), size, Decoder([places[i] for i in range(len(spans))]))


def _bytes_between(table: DataTable, start: int, end: int) -> int:
    """What elements take in the buffer: two bytes a register, one a coil."""
    return (end - start) * (1 if table.bits else 2)


def batches(scans: Sequence[Scan]) -> list[Batch]:
    """The groups of `scans`, all with one decoder, as they stand now; what has no good answer is NaN."""
    n, width = len(scans), len(scans[0].group)
    raw = np.frombuffer(b"".join([scan.buffer for scan in scans]), np.uint8).reshape(n, -1)
    value, other = scans[0].decoder(raw)
    status = np.zeros((n, width), np.uint32)
    for row, scan in enumerate(scans):
        if not scan.clear:
            status[row] = scan.status
    _judge(value, status, other)
    time = np.empty((n, width), np.int64)
    time[:] = np.array([scan.received for scan in scans], np.int64)[:, np.newaxis]
    made = [
        Batch(scan.group.device, scan.group.id, scan.group.rows, values, times, states, scan.received)
        for scan, values, times, states in zip(scans, value, time, status, strict=True)
    ]
    for (row, tag), beyond in other.items():
        if status[row, tag] == quality.GOOD:
            made[row].other[scans[row].group.rows.start + tag] = beyond
    return made


def _judge(value: NDArray[np.float64], status: NDArray[np.uint32], other: Other) -> None:
    """Numbers only where all is good: infinities and NaN of the device become bad, and bad values NaN."""
    odd = ~np.isfinite(value)
    if odd.any():
        for place in other:  # a text is no number and good all the same
            odd[place] = False
        status[odd & (status == quality.GOOD)] = quality.BAD_OUT_OF_RANGE
    if status.any():
        value[status != quality.GOOD] = np.nan


def _tag(tag: Tag) -> ModbusTag:
    if not isinstance(tag.config, ModbusTag):
        raise TypeError(f"{tag.name} is no Modbus tag but a {type(tag.config).__name__}")
    return tag.config


def _registers_into(slot: memoryview) -> Callable[[bytes], None]:
    return partial(slot.__setitem__, slice(None))


def _bits_into(slot: memoryview) -> Callable[[bytes], None]:
    def store(payload: bytes) -> None:
        # the first coil is the least significant bit of the first byte (MODBUS Application Protocol V1.1b3 §6.1)
        slot[:] = np.unpackbits(np.frombuffer(payload, np.uint8), count=len(slot), bitorder="little").data

    return store
