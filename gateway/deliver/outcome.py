"""What the store tells the outbox: what a commit did, and how the disk answered."""

from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.deliver.event import Class
from gateway.deliver.ledger import Record, Tally


class Limits(NamedTuple):
    """Bytes on disk, bytes of one segment, seconds that telemetry is kept, bytes left to others and held for alarms."""

    budget: int
    segment: int
    max_age: float
    free: int = 0
    ballast: int = 0


class Written(NamedTuple):
    """Records of one class that are safe now, and the segment that holds them."""

    cls: Class
    number: int
    born: float
    records: list[Record]


class Rejected(NamedTuple):
    """Records of one class that could not be made safe."""

    cls: Class
    reason: str
    records: list[Record]


class Freed(NamedTuple):
    """A segment that is gone, and why: what it still held is dropped."""

    cls: Class
    number: int
    reason: str


class Thinned(NamedTuple):
    """A segment that was written anew, and what it holds now."""

    cls: Class
    number: int
    left: Tally


class Refill(NamedTuple):
    """Records read back; `complete` when nothing lies beyond them."""

    cls: Class
    records: list[Record]
    complete: bool


@dataclass(slots=True)
class Outcome:
    """What one commit did, in the order in which it is to be booked."""

    written: list[Written] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    thinned: list[Thinned] = field(default_factory=list)
    freed: list[Freed] = field(default_factory=list)
    refills: list[Refill] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.written or self.rejected or self.thinned or self.freed or self.refills)


@dataclass(slots=True)
class Counters:
    """What the disk was asked to do, and how it failed."""

    written: int = 0  # bytes
    fsyncs: int = 0
    errors: int = 0
    last_error: str = ""
    failed: bool = False  # the last write did not succeed
