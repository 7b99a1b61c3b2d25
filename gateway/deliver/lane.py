"""One class on its way to the publisher: what is in memory, what was taken, where reading back from disk goes on.

While the publisher keeps up, accepted records stay in memory until taken. When it lags, memory keeps the oldest ones,
the newer lie on disk only (`behind`), and are read back as the oldest are taken. Belongs to the loop's thread.
"""

from collections import deque
from collections.abc import Iterator

from gateway.deliver.ledger import Ledger, Record


class Lane:
    """The way out of one class.

    Args:
        ledger: its books.
        room: bytes that may be kept in memory.
        start: sequence after which nothing has been taken yet.
        following: sequence that the next record gets.
    """

    def __init__(self, ledger: Ledger, room: int, start: int, following: int) -> None:
        self.ledger = ledger
        self.following = following
        self.behind = bool(ledger.stretches)
        self.asked = False  # the store has been asked to read back
        self._room = room
        self._ready: deque[Record] = deque()
        self._ready_bytes = 0
        self._read = start  # last sequence that went into memory
        self._passed = start  # last sequence that was taken
        self._taken: dict[int, Record] = {}  # by sequence, in order
        self._again: deque[Record] = deque()

    def accept(self, number: int, born: float, records: list[Record]) -> None:
        """`records` are safe in segment `number`; keep them in memory if there is room."""
        self.ledger.accept(number, born, records)
        if self.behind:
            return
        if self._ready_bytes > self._room:
            self.behind = True
            return
        self._keep(records)

    def refill(self, records: list[Record], *, complete: bool) -> None:
        """What was read back after `wants`; `complete` when nothing is left on disk beyond it."""
        self.asked = False
        self._keep([record for record in records if record.sequence > self._read])
        self.behind = not complete

    @property
    def wants(self) -> int | None:
        """The sequence after which to read back now; None when there is no need, or it is under way."""
        wanting = self.behind and not self.asked and self._ready_bytes < self._room // 2
        return self._read if wanting else None

    @property
    def untouched(self) -> int | None:
        """The sequence beyond which nothing was ever in memory; None while all that comes goes there."""
        return self._read if self.behind else None

    def take(self, limit: int) -> list[Record]:
        """Up to `limit` records to send, the oldest first; they stay under way until acknowledged."""
        records = [self._again.popleft() for _ in range(min(limit, len(self._again)))]
        for _ in range(min(limit - len(records), len(self._ready))):
            record = self._ready.popleft()
            self._ready_bytes -= record.size
            self._taken[record.sequence] = record
            self._passed = record.sequence
            records.append(record)
        return records

    def ack(self, sequence: int) -> bool:
        """The broker has it. False when it was not under way (acknowledged before, or dropped)."""
        record = self._taken.pop(sequence, None)
        if record is not None:
            self.ledger.ack(record)
        return record is not None

    def give_up(self, sequence: int, reason: str) -> bool:
        """It will never be delivered. False when it was not under way."""
        record = self._taken.pop(sequence, None)
        if record is not None:
            self.ledger.give_up(reason, record)
        return record is not None

    def rewind(self) -> None:
        """The connection is gone: everything under way is to be taken again, in order."""
        self._again = deque(self._taken.values())

    def free(self, number: int, reason: str) -> None:
        """Segment `number` is gone, and with it what it held."""
        stretch = self.ledger.free(number, reason)
        if stretch is None or not stretch.left.records:
            return
        gone = range(stretch.first, stretch.last + 1)
        self._taken = {sequence: record for sequence, record in self._taken.items() if sequence not in gone}
        self._again = deque(record for record in self._again if record.sequence not in gone)
        self._ready = deque(record for record in self._ready if record.sequence not in gone)
        self._ready_bytes = sum(record.size for record in self._ready)
        self._read = max(self._read, stretch.last)

    @property
    def low(self) -> int:
        """Everything up to this sequence is settled: acknowledged or dropped."""
        return next(iter(self._taken), self._passed + 1) - 1

    @property
    def born(self) -> float | None:
        """Monotonic time of the oldest record in memory."""
        return next((record.born for record in self._oldest()), None)

    def _oldest(self) -> Iterator[Record]:
        yield from self._taken.values()
        yield from self._ready

    def _keep(self, records: list[Record]) -> None:
        if records:
            self._ready.extend(records)
            self._ready_bytes += sum(record.size for record in records)
            self._read = records[-1].sequence
