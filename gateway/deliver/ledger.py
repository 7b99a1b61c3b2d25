"""The books of one class: what is queued, under way, acknowledged, dropped. Pure; belongs to the loop's thread.

Always, in records and in readings:  recovered + put = waiting + queued + acked + dropped (by reason).
"""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

from gateway.deliver.event import Class

_RANGES: Final = 64  # last drops that are kept with their sequences


class Record(NamedTuple):
    """One message, as it waits. `born`: monotonic time of its putting; `size`: bytes that it takes on disk."""

    cls: Class
    sequence: int
    topic: str
    body: bytes
    readings: int
    born: float
    size: int


@dataclass(slots=True)
class Tally:
    """How much: records, the readings in them, and bytes."""

    records: int = 0
    readings: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, records: Iterable[Record]) -> "Tally":
        """The sum over `records`."""
        tally = cls()
        for record in records:
            tally.add(record)
        return tally

    def add(self, record: Record, times: int = 1) -> None:
        """Count `record` in, or out with times=-1."""
        self.records += times
        self.readings += times * record.readings
        self.bytes += times * record.size

    def __iadd__(self, other: "Tally") -> Self:
        self.records += other.records
        self.readings += other.readings
        self.bytes += other.bytes
        return self

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.records + other.records, self.readings + other.readings, self.bytes + other.bytes)


@dataclass(slots=True)
class Stretch:
    """What one segment file still holds that is neither acknowledged nor dropped."""

    number: int
    first: int
    last: int
    born: float
    left: Tally


class Drop(NamedTuple):
    """Records that were given up: from sequence `first` to `last`, and why."""

    reason: str
    first: int
    last: int
    records: int
    readings: int


@dataclass(slots=True)
class Ledger:
    """What was put of one class, and what became of it."""

    stretches: list[Stretch] = field(default_factory=list)
    recovered: Tally = field(default_factory=Tally)
    put: Tally = field(default_factory=Tally)
    waiting: Tally = field(default_factory=Tally)
    accepted: Tally = field(default_factory=Tally)
    acked: Tally = field(default_factory=Tally)
    dropped: Counter[str] = field(default_factory=Counter)  # readings by reason
    dropped_records: Counter[str] = field(default_factory=Counter)
    drops: deque[Drop] = field(default_factory=lambda: deque(maxlen=_RANGES))

    def recover(self, stretch: Stretch) -> None:
        """An earlier run left `stretch`."""
        self.stretches.append(stretch)
        self.recovered += stretch.left

    def wait(self, record: Record) -> None:
        """`record` was put and waits to be written."""
        self.put.add(record)
        self.waiting.add(record)

    def accept(self, number: int, born: float, records: list[Record]) -> None:
        """`records` lie safely in segment `number`."""
        total = Tally.of(records)
        self.accepted += total
        self._no_longer_waiting(total)
        if not self.stretches or self.stretches[-1].number != number:
            self.stretches.append(Stretch(number, records[0].sequence, records[-1].sequence, born, Tally()))
        stretch = self.stretches[-1]
        stretch.last = records[-1].sequence
        stretch.left += total

    def reject(self, reason: str, records: list[Record]) -> None:
        """`records` waited and could not be written, or may not."""
        total = Tally.of(records)
        self._no_longer_waiting(total)
        self._drop(reason, records[0].sequence, records[-1].sequence, total)

    def ack(self, record: Record) -> None:
        """The broker has `record`."""
        self._settle(record)
        self.acked.add(record)

    def give_up(self, reason: str, record: Record) -> None:
        """`record` will never be delivered."""
        self._settle(record)
        self._drop(reason, record.sequence, record.sequence, Tally.of([record]))

    def free(self, number: int, reason: str) -> Stretch | None:
        """Segment `number` is gone; what it still held is dropped. Gives its stretch, None when there is none."""
        for index, stretch in enumerate(self.stretches):
            if stretch.number == number:
                del self.stretches[index]
                if stretch.left.records:
                    self._drop(reason, stretch.first, stretch.last, stretch.left)
                return stretch
        return None

    def thin(self, number: int, left: Tally) -> None:
        """Segment `number` was written anew and holds `left` of what it held, none of which was under way."""
        for stretch in self.stretches:
            if stretch.number == number:
                gone = stretch.left + Tally(-left.records, -left.readings, -left.bytes)
                stretch.left = left
                self._drop("thinned", stretch.first, stretch.last, gone)

    @property
    def queued(self) -> Tally:
        """What lies safely on disk and is neither acknowledged nor dropped."""
        total = Tally()
        for stretch in self.stretches:
            total += stretch.left
        return total

    @property
    def oldest(self) -> Stretch | None:
        """The first segment that still holds something."""
        return next((stretch for stretch in self.stretches if stretch.left.records), None)

    def balances(self) -> bool:
        """Whether nothing is unaccounted for."""
        there = self.waiting + self.queued + self.acked
        came = self.recovered + self.put
        return (
            came.records == there.records + self.dropped_records.total()
            and came.readings == there.readings + self.dropped.total()
        )

    def _no_longer_waiting(self, total: Tally) -> None:
        self.waiting += Tally(-total.records, -total.readings, -total.bytes)

    def _settle(self, record: Record) -> None:
        """Take `record` out of its segment's stretch; almost always that is the first one."""
        place = 0
        if record.sequence > self.stretches[0].last:
            place = bisect_right(self.stretches, record.sequence, key=lambda stretch: stretch.first) - 1
        self.stretches[place].left.add(record, -1)

    def _drop(self, reason: str, first: int, last: int, total: Tally) -> None:
        self.dropped[reason] += total.readings
        self.dropped_records[reason] += total.records
        self.drops.append(Drop(reason, first, last, total.records, total.readings))
