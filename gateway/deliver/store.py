"""The outbox on disk: segments per class, one fsync per class and commit, space freed by whole segments.

Belongs to the store thread; knows no loop. A record is accepted only when its bytes, and for a new file its name, are
durable. After an I/O error a segment is never written to again: what fsync refused once must not be trusted later.
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Final

from gateway.deliver.cursor import Age, Cursor, Position, write_cursor
from gateway.deliver.event import Class
from gateway.deliver.ledger import Record
from gateway.deliver.outcome import Counters, Limits, Outcome, Refill, Rejected, Written
from gateway.deliver.readback import Reader
from gateway.deliver.recovery import Recovery, Remains, Segment, recover
from gateway.deliver.room import OnDisk, Room
from gateway.deliver.segments import Header, encode_header
from gateway.deliver.thinning import Merge, encoded
from gateway.ops.files import Files
from gateway.sdk import Clock

_TRIES: Final = 3  # of one write, each in a new segment
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class Store:
    """Segments and cursor in one folder.

    Args:
        files: the file system.
        folder: where they lie; nothing else is in it.
        limits: how much may lie there.
        clock: for ages, and the epoch of a fresh outbox.
        merge: how telemetry is thinned before it is dropped; None: it is not.

    Attributes:
        room: keeps within the limits.
    """

    def __init__(self, files: Files, folder: Path, limits: Limits, clock: Clock, merge: Merge | None = None) -> None:
        self._files, self._folder, self._clock = files, folder, clock
        self.counters = Counters()
        self.room = Room(files, folder, limits, clock, merge, self._note)
        self._classes = self.room.classes
        self._epoch = 0
        self._age, self._opened = Age(0, 0), 0.0  # the outbox's own time when it was opened, and the monotonic one then
        self._saved = Cursor()
        self._outcome = Outcome()

    def open(self) -> tuple[Recovery, dict[Class, Remains]]:
        """Find what an earlier run left. Never refuses."""
        recovery, found, self._epoch = recover(self._files, self._folder, self._clock)
        self._age, self._opened = recovery.age, self._clock.monotonic()
        for cls, one in found.items():
            reader = Reader(self._files, cls)
            self._classes[cls] = OnDisk(one.segments, one.number, one.last, one.following, reader)
        torn = [one for one in found.values() if one.torn]
        # The cursor first: it keeps the numbers that a cut record may have borne from being given again.
        if not torn or self.save({cls: one.acked for cls, one in found.items()}):
            for one in torn:
                self._cut(one)
        for cls, one in found.items():
            self._classes[cls].active = None if recovery.damaged else self._continue(one)
        return recovery, found

    def commit(self, batch: Sequence[Record]) -> Outcome:
        """Make `batch` durable, the most important class first, and say what became of every record of it."""
        outcome = self._outcome = self.room.outcome = Outcome()
        for cls in Class:
            for chunk in self._chunks([record for record in batch if record.cls is cls]):
                self._keep(cls, chunk)
        self.room.tend()
        return outcome

    def read(self, cls: Class, after: int, limit: int) -> Refill:
        """Accepted records of `cls` behind sequence `after`: about `limit` bytes, and one if there is any."""
        state, records, size = self._classes[cls], list[Record](), 0
        try:
            for record in state.reader.records(state.segments, after, limit):
                records.append(record)
                size += record.size
                if size >= limit:
                    break
        except OSError as error:  # the reader goes on behind the segment that it could not read
            self._note(error)
            return Refill(cls, records, complete=False)
        return Refill(cls, records, complete=size < limit or records[-1].sequence >= state.last)

    def save(self, low: dict[Class, int]) -> bool:
        """Write the cursor, if it has moved. False when the disk refused."""
        positions = {cls: Position(low[cls], state.last, state.floor) for cls, state in self._classes.items()}
        cursor = Cursor(self._epoch, positions, self._now())
        if cursor == self._saved:
            return True
        try:
            write_cursor(self._files, self._folder, cursor)
        except OSError as error:
            self._note(error)
            return False
        self.counters.fsyncs += 2
        self._saved = cursor
        return True

    def close(self) -> None:
        """Give the handles back."""
        for state in self._classes.values():
            self._leave(state)

    def _now(self) -> Age:
        """The outbox's own time."""
        return self._age._replace(now=self._age.now + int((self._clock.monotonic() - self._opened) * 1000))

    def _cut(self, one: Remains) -> None:
        """Cut the torn tail of the newest segment; remove it when it holds no record."""
        path, end = one.torn[0]
        try:
            if end:
                self._files.truncate(path, end)
            else:
                self._files.unlink(path)
        except OSError as error:
            self._note(error)
        else:
            one.torn.clear()

    def _continue(self, one: Remains) -> Segment | None:
        """The newest segment of an earlier run, open again, when it is of this epoch."""
        segment = one.segments[-1] if one.segments else None
        if segment is None or one.torn or segment.epoch != self._epoch or segment.number != one.number:
            return None
        try:
            segment.handle = self._files.open_append(segment.path)
        except OSError as error:
            self._note(error)
            return None
        return segment

    def _chunks(self, records: list[Record]) -> Iterator[list[Record]]:
        """`records` in parts that fill a segment each."""
        room = self.room.segment
        filled = 0

        def part(record: Record) -> int:
            nonlocal filled
            filled += record.size
            return filled // room

        for _, chunk in groupby(records, part):
            yield list(chunk)

    def _keep(self, cls: Class, chunk: list[Record]) -> None:
        """Make `chunk` durable; after an error in a new segment, on a full disk in place of telemetry or of ballast."""
        for _ in range(0 if self.room.closed(cls) else _TRIES):
            try:
                self._write(cls, chunk)
            except OSError as error:
                self._note(error)
                self.counters.failed = True
                full = error.errno in _FULL
                self._abandon(cls, full=full)
                if full and not self.room.make(cls):
                    break
            else:
                self.counters.failed = self.room.closed(Class.TELEMETRY)
                return
        self.counters.failed = True
        self._outcome.rejected.append(Rejected(cls, "disk", chunk))

    def _write(self, cls: Class, chunk: list[Record]) -> None:
        state = self._classes[cls]
        if state.active and self.room.outgrown(state.active, sum(record.size for record in chunk)):
            self._leave(state)
        segment = state.active or self._begin(cls, chunk[0].sequence)
        assert segment.handle is not None  # noqa: S101 - an active segment is open
        data = b"".join(encoded(chunk))
        if state.new:
            data = encode_header(Header(self._epoch, self._now().now, state.last)) + data
        self._files.append(segment.handle, data)
        self._files.fsync(segment.handle)
        if state.new:
            self._files.fsync_dir(self._folder)
        self.counters.fsyncs += 1 + state.new
        self.counters.written += len(data)
        state.new = False
        segment.size += len(data)
        segment.last = state.last = chunk[-1].sequence
        self._outcome.written.append(Written(cls, segment.number, segment.born, chunk))

    def _begin(self, cls: Class, first: int) -> Segment:
        state = self._classes[cls]
        state.number += 1
        path = self._folder / f"{cls}-{state.number:012d}.seg"
        segment = Segment(state.number, path, self._clock.monotonic(), self._epoch, first=first, last=first - 1)
        segment.handle = self._files.open_append(path)
        state.segments.append(segment)
        state.active, state.new = segment, True
        return segment

    def _leave(self, state: OnDisk) -> None:
        """Write no more to the active segment."""
        if state.active is not None and state.active.handle is not None:
            with suppress(OSError):  # all that counts in it was fsynced
                self._files.close(state.active.handle)
            state.active.handle = None
        state.active = None

    def _abandon(self, cls: Class, *, full: bool) -> None:
        """After an error: cut the active segment to what was durable. Go on with it only if the disk was full."""
        state = self._classes[cls]
        segment = state.active
        if segment is None:
            return
        try:
            if segment.size:
                self._files.truncate(segment.path, segment.size)
            else:
                self._files.unlink(segment.path)
        except OSError as error:
            self._note(error)
            full = False
        if not (full and segment.size):
            self._leave(state)
        if not segment.size:
            state.segments.remove(segment)

    def _note(self, error: OSError) -> None:
        self.counters.errors += 1
        self.counters.last_error = str(error)
