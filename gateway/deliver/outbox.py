"""The queue on disk between the gateway and the broker: accepted means durable, and nothing accepted is lost.

`put` never blocks. One thread takes all that waits, writes it and fsyncs once per class; while it does, the next group
gathers. So commits are as large as the disk is slow, with no timer. Everything else here belongs to the loop's thread.
"""

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from gateway.config.schema import OutboxConfig
from gateway.deliver.event import Class
from gateway.deliver.lane import Lane
from gateway.deliver.ledger import Ledger, Record, Stretch
from gateway.deliver.outcome import Limits, Outcome, Refill
from gateway.deliver.payloads.thin import thin
from gateway.deliver.recovery import Recovery
from gateway.deliver.segments import RECORD_SIZE
from gateway.deliver.stats import Stats, class_stats
from gateway.deliver.store import Store
from gateway.deliver.thread import StoreThread
from gateway.ops.files import Files
from gateway.sdk import Clock, Log

_SAVE_EVERY: Final = 1.0  # s; how much a restart may send again
_IDLE: Final = 60.0  # s; then age is looked at all the same
_LONGEST_TOPIC: Final = 65535  # bytes; MQTT 5 §1.5.4
_PIECE: Final = 2**20  # bytes that are read back at once
_SHARE: Final = {Class.ALARM: 4, Class.EVENT: 4, Class.TELEMETRY: 2}  # of memory: a quarter, a quarter, a half


class Outbox:
    """Takes messages, keeps them through crash and power cut, hands them to the publisher.

    Args:
        files: the file system.
        folder: a folder of its own.
        config: how much it may take.
        clock: for ages and the epoch.
        on_accepted: called on the loop when there is something to take.
        log: for what an operator must see; nothing per record.
    """

    def __init__(
        self,
        files: Files,
        folder: Path,
        config: OutboxConfig,
        clock: Clock,
        on_accepted: Callable[[], None] | None = None,
        log: Log | None = None,
    ) -> None:
        limits = Limits(config.budget, config.segment, config.max_age, config.free, config.ballast)
        merge = partial(thin, window=config.thin) if config.thin else None
        self._store = Store(files, folder, limits, clock, merge)
        self._memory, self._clock, self._log = config.memory, clock, log
        self.on_accepted = on_accepted or _nothing
        self._lanes: dict[Class, Lane] = {}
        self._waiting: deque[Record] = deque()
        self._waiting_bytes = 0
        self._asked: dict[Class, int] = {}
        self._read_back = 0  # times that telemetry was read back; belongs to the store thread
        self._untouched: tuple[int, int | None] = (
            0,
            None,
        )  # the same as far as it is booked, and `Lane.untouched` then
        self._low: dict[Class, int] = {}
        self._saved_at = clock.monotonic()
        self._unsaved = False
        self._thread = StoreThread("outbox", self.step, self._store.close, self._nap, self._died)
        self.epoch = ""
        self.turns = 0  # of the store thread: progress, for the watchdog

    @property
    def waiting(self) -> int:
        """Messages that are not yet on disk."""
        return len(self._waiting)

    def open(self) -> Recovery:
        """Find what an earlier run left; reads every segment, so it may take seconds. Never refuses."""
        recovery, found = self._store.open()
        self.epoch = recovery.epoch
        for cls, one in found.items():
            ledger = Ledger()
            for segment in one.segments:
                left = one.left[segment.number]
                ledger.recover(Stretch(segment.number, segment.first, segment.last, segment.born, left))
            self._lanes[cls] = Lane(ledger, self._memory // _SHARE[cls], one.acked, one.following)
        self._low = {cls: lane.low for cls, lane in self._lanes.items()}
        self._untouched = (0, self._lanes[Class.TELEMETRY].untouched)
        if self._log and recovery.damaged:
            self._log.warning("outbox damaged", lost_bytes=recovery.lost_bytes, places=len(recovery.damages),
                              errors=recovery.errors, epoch=recovery.epoch)  # fmt: skip
        return recovery

    def start(self) -> None:
        """Start the store thread; results come back to the running loop. Without it, `step` is to be called."""
        self._thread.start()

    def reserve(self, cls: Class) -> int:
        """The next sequence of `cls`; what gets it is to be put before the next is reserved."""
        lane = self._lanes[cls]
        lane.following += 1
        return lane.following - 1

    def following(self, cls: Class) -> int:
        """The sequence that the next message of `cls` gets."""
        return self._lanes[cls].following

    def put(self, cls: Class, sequence: int, topic: str, body: bytes, readings: int) -> None:
        """Hand over a message. Never blocks; beyond the bound of what waits it is dropped and counted.

        Args:
            cls: its class.
            sequence: as reserved.
            topic: where to publish it; at most 65535 bytes of UTF-8.
            body: the payload.
            readings: how many readings it carries, for the accounts.

        Raises:
            ValueError: the topic is no UTF-8, or too long.
        """
        length = len(topic.encode())
        if length > _LONGEST_TOPIC:
            raise ValueError("a topic has at most 65535 bytes")
        size = RECORD_SIZE + length + len(body)
        record = Record(cls, sequence, topic, body, readings, self._clock.monotonic(), size)
        ledger = self._lanes[cls].ledger
        ledger.wait(record)
        reason = self._refusal(record)
        if reason:
            ledger.reject(reason, [record])
            return
        self._waiting_bytes += record.size
        self._waiting.append(record)
        self._thread.stir()

    def take(self, limit: int, classes: Iterable[Class] = Class) -> list[Record]:
        """Up to `limit` accepted messages of `classes`, the most important class first, the oldest first.

        They are under way until `ack` or `drop`; `rewind` brings them back. Never touches the disk: what is not in
        memory is asked for, and `on_accepted` tells when it is there.
        """
        records: list[Record] = []
        for cls in classes:
            lane = self._lanes[cls]
            records += lane.take(limit - len(records))
            self._ask(cls, lane)
        return records

    def ack(self, cls: Class, sequence: int) -> bool:
        """The broker has it. False when it was not under way."""
        lane = self._lanes[cls]
        known = lane.ack(sequence)
        self._settled(cls, lane)
        return known

    def drop(self, cls: Class, sequence: int, reason: str) -> bool:
        """It will never be delivered, for `reason`. False when it was not under way."""
        lane = self._lanes[cls]
        known = lane.give_up(sequence, reason)
        self._settled(cls, lane)
        return known

    def rewind(self) -> None:
        """The connection is lost: everything under way is to be taken again."""
        for lane in self._lanes.values():
            lane.rewind()

    def step(self) -> None:
        """What the store thread does once: commit what waits, read back, free, save the cursor."""
        self.turns += 1
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        booked, untouched = self._untouched
        self._store.room.untouched = untouched if booked == self._read_back else None  # what is on its way is touched
        urgent = [record for record in batch if record.cls is not Class.TELEMETRY]
        if urgent and len(urgent) < len(batch):  # an alarm does not wait for the telemetry's fsync
            self._thread.post(self._book, self._store.commit(urgent))
            batch = [record for record in batch if record.cls is Class.TELEMETRY]
        outcome = self._store.commit(batch)
        for cls, after in list(self._asked.items()):
            outcome.refills.append(self._store.read(cls, after, _PIECE))
            self._read_back += cls is Class.TELEMETRY
            del self._asked[cls]
        due = self._clock.monotonic() - self._saved_at >= _SAVE_EVERY
        save = self._thread.closing or (self._unsaved and due)
        self._unsaved = self._unsaved and not save
        low = dict(self._low)
        self._store.room.retire(low)
        if save:
            self._saved_at = self._clock.monotonic()
            self._unsaved |= not self._store.save(low)
        if outcome:
            self._thread.post(self._book, outcome)

    async def close(self, within: float = 5.0) -> bool:
        """Write what waits, save the cursor, end the thread. False when that took longer than `within` seconds."""
        return await self._thread.close(within)

    def stats(self) -> Stats:
        """A snapshot; cheap, on the loop's thread."""
        counters, now = self._store.counters, self._clock.monotonic()
        return Stats(
            classes={cls: class_stats(lane, now) for cls, lane in self._lanes.items()},
            epoch=self.epoch,
            disk_bytes=self._store.room.size,
            written_bytes=counters.written,
            fsyncs=counters.fsyncs,
            errors=counters.errors,
            last_error=counters.last_error,
            failed=counters.failed or self._thread.broken,
        )

    def _refusal(self, record: Record) -> str:
        """Why `record` may not wait; empty when it may. What is no telemetry may take twice the room."""
        if self._thread.closing or self._thread.broken:
            return "closed" if self._thread.closing else "disk"
        room = self._memory if record.cls is Class.TELEMETRY else 2 * self._memory
        return "overflow" if self._waiting_bytes + record.size > room else ""

    def _ask(self, cls: Class, lane: Lane) -> None:
        after = lane.wants
        if after is not None:
            lane.asked = True
            self._asked[cls] = after
            self._thread.wake()

    def _settled(self, cls: Class, lane: Lane) -> None:
        self._low[cls] = lane.low
        if not self._unsaved:
            self._unsaved = True
            self._thread.wake()

    def _nap(self) -> float:
        return _SAVE_EVERY if self._unsaved else _IDLE

    def _died(self) -> None:
        if self._log:
            self._log.warning("outbox store thread ended")

    def _book(self, outcome: Outcome) -> None:
        """Enter into the books what the store did, in its order."""
        for written in outcome.written:
            if self._log:
                first, last = written.records[0].sequence, written.records[-1].sequence
                self._log.debug("accepted", cls=written.cls.value, epoch=self.epoch, first=first, last=last)
            self._lanes[written.cls].accept(written.number, written.born, written.records)
            self._waiting_bytes -= sum(record.size for record in written.records)
        for rejected in outcome.rejected:
            self._lanes[rejected.cls].ledger.reject(rejected.reason, rejected.records)
            self._waiting_bytes -= sum(record.size for record in rejected.records)
        self._book_room(outcome)
        for refill in outcome.refills:
            self._refill(refill)
        booked = self._untouched[0] + sum(refill.cls is Class.TELEMETRY for refill in outcome.refills)
        self._untouched = (booked, self._lanes[Class.TELEMETRY].untouched)
        if outcome.written:
            self._unsaved = True
        if outcome.written or outcome.refills:
            self.on_accepted()

    def _book_room(self, outcome: Outcome) -> None:
        for thinned in outcome.thinned:
            self._lanes[thinned.cls].ledger.thin(thinned.number, thinned.left)
        for freed in outcome.freed:
            self._lanes[freed.cls].free(freed.number, freed.reason)

    def _refill(self, refill: Refill) -> None:
        lane = self._lanes[refill.cls]
        lane.refill(refill.records, complete=refill.complete)
        self._ask(refill.cls, lane)


def _nothing() -> None:
    """Nobody wants to know."""
