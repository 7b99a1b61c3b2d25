"""What an earlier run left in the outbox's folder, found again. Never refuses: what is damaged is counted and shown.

A torn tail (the last write of a crash, never accepted) is cut. Damage elsewhere (a flipped bit, a cut file, a lost
segment) loses the records it hits and makes a new epoch, so that no id comes back with another content.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from gateway.deliver.cursor import Cursor, Position, read_cursor
from gateway.deliver.event import Class
from gateway.deliver.ledger import Tally
from gateway.deliver.segments import (
    HEADER_SIZE,
    MAGIC,
    RECORD_SIZE,
    VERSION,
    Found,
    Header,
    decode_header,
    scan,
)
from gateway.ops.files import Files
from gateway.sdk import Clock

_NAME: Final = re.compile(rf"({'|'.join(Class)})-(\d{{12}})\.seg")


@dataclass(slots=True)
class Segment:
    """One file of one class. `size` is what is known to be durable; `born` is monotonic time; `handle` while open."""

    number: int
    path: Path
    born: float
    epoch: int = 0
    size: int = 0
    first: int = 0
    last: int = 0
    handle: int | None = None

    def __len__(self) -> int:
        return self.size


class Damage(NamedTuple):
    """Bytes from `start` to `end` of a file that hold no record; sequences between `after` and `before` may be lost."""

    name: str
    start: int
    end: int
    after: int
    before: int


@dataclass(slots=True)
class Found1:
    """One class as it was found: segments in order, what each still holds, and where its numbers go on."""

    segments: list[Segment] = field(default_factory=list)
    left: dict[int, Tally] = field(default_factory=dict)  # by segment number
    acked: int = 0
    last: int = 0  # highest sequence that was found, or is known to have been accepted
    following: int = 1  # sequence that the next record gets
    epoch: int = 0  # the newest that was found


@dataclass(slots=True)
class Recovery:
    """What was found at start."""

    counts: dict[Class, Tally] = field(default_factory=lambda: {cls: Tally() for cls in Class})
    damages: list[Damage] = field(default_factory=list)
    lost_bytes: int = 0  # in `damages`
    torn_bytes: int = 0  # cut off the ends; they were never accepted
    ignored: list[str] = field(default_factory=list)  # files of a newer version: left alone
    errors: list[str] = field(default_factory=list)  # what the file system refused
    epoch: str = ""
    epoch_changed: bool = False

    @property
    def damaged(self) -> bool:
        """Whether anything that had been accepted may be lost."""
        return bool(self.damages or self.errors)

    def damage(self, damage: Damage) -> None:
        """Count one."""
        self.damages.append(damage)
        self.lost_bytes += damage.end - damage.start


def recover(files: Files, folder: Path, clock: Clock) -> tuple[Recovery, dict[Class, Found1], int]:
    """Find everything again: what to show, each class, and the epoch to go on with."""
    recovery = Recovery()
    names, cursor = _look(files, folder, recovery)
    reader = _Reader(files, folder, clock, recovery)
    found = {cls: reader.read(cls, names, cursor.positions.get(cls, Position())) for cls in Class}
    known = max(cursor.epoch, *(one.epoch for one in found.values()))
    fresh = recovery.damaged or not known
    epoch = max(clock.wall_ns() // 1_000_000, known + 1) if fresh else known
    recovery.epoch, recovery.epoch_changed = f"{epoch:x}", bool(known) and fresh
    recovery.counts = {cls: sum(one.left.values(), Tally()) for cls, one in found.items()}
    return recovery, found, epoch


def _look(files: Files, folder: Path, recovery: Recovery) -> tuple[list[str], Cursor]:
    try:
        files.make_folder(folder)
        names = sorted(files.names(folder))
        return names, read_cursor(files, folder)
    except OSError as error:
        recovery.errors.append(f"{folder}: {error}")
        return [], Cursor()


class _Reader:
    """Reads the segments of a class in order, cuts what is torn, and counts what is damaged."""

    def __init__(self, files: Files, folder: Path, clock: Clock, recovery: Recovery) -> None:
        self._files, self._folder, self._recovery = files, folder, recovery
        self._now, self._wall_ms = clock.monotonic(), clock.wall_ns() // 1_000_000

    def read(self, cls: Class, names: Sequence[str], position: Position) -> Found1:
        """Everything of `cls`. `position` is what the cursor knew."""
        one = Found1(acked=position.acked)
        mine = [name for name in names if (match := _NAME.fullmatch(name)) and match[1] == cls]
        for name in mine:
            try:
                self._segment(one, name, newest=name == mine[-1])
            except OSError as error:
                self._recovery.errors.append(f"{name}: {error}")
        if position.accepted > one.last:  # the cursor is written after the records it speaks of: they were here
            self._recovery.damage(Damage(f"{cls}", 0, 0, one.last, position.accepted + 1))
            one.last = position.accepted
        one.following = max(one.following, one.last + 1)
        return one

    def _segment(self, one: Found1, name: str, *, newest: bool) -> None:
        path = self._folder / name
        data = self._files.read(path, 0, self._files.size(path))
        header = decode_header(data)
        if header is not None and header.version > VERSION:
            self._recovery.ignored.append(name)
            return
        number = int(name[-16:-4])
        segment = Segment(number, path, self._born(header), header.epoch if header else 0)
        self._check_previous(one, segment, header)
        records = list(scan(data, HEADER_SIZE if header else 0))
        end = records[-1].end if records else (HEADER_SIZE if header else 0)
        self._gaps(name, header, records, one.last)
        if not self._tail(one, segment, data, end, newest=newest):
            return
        self._enter(one, segment, records)

    def _born(self, header: Header | None) -> float:
        """When the segment was begun, on the monotonic clock: a wall clock that is wrong ages nothing from here on."""
        return self._now - max(0, self._wall_ms - header.created_ms) / 1000 if header else self._now

    def _check_previous(self, one: Found1, segment: Segment, header: Header | None) -> None:
        """A segment knows the last sequence before it: an end that was cut off cleanly is seen by the next one."""
        before = one.segments[-1] if one.segments else None
        if header and before and before.number == segment.number - 1 and one.last < header.previous:
            self._recovery.damage(Damage(before.path.name, before.size, before.size, one.last, header.previous + 1))

    def _gaps(self, name: str, header: Header | None, records: Sequence[Found], last: int) -> None:
        """Bytes between the header and the last record that belong to no record."""
        at = HEADER_SIZE if header else 0
        for record in records:
            if record.start > at:
                self._recovery.damage(Damage(name, at, record.start, last, record.sequence))
            at, last = record.end, record.sequence

    def _tail(self, one: Found1, segment: Segment, data: bytes, end: int, *, newest: bool) -> bool:
        """Cut what follows the last record, or count it as damage. False when nothing of the file is left."""
        torn = len(data) - end
        last = max(one.last, segment.last)
        if torn and not newest:
            self._recovery.damage(Damage(segment.path.name, end, len(data), last, last + 1))
        elif torn:
            self._recovery.torn_bytes += torn
            # what is cut may have been accepted after all, had a bit flipped in it: its numbers are not given again
            one.following = data.count(MAGIC, end) + 1
        segment.size = len(data)
        if end <= HEADER_SIZE and newest:
            self._files.unlink(segment.path)
            return False
        if torn and newest:
            self._files.truncate(segment.path, end)
            segment.size = end
        return True

    def _enter(self, one: Found1, segment: Segment, records: Sequence[Found]) -> None:
        """Take the segment into the class. Its bytes may be in the page cache only, so they are made durable first."""
        handle = self._files.open_append(segment.path)
        try:
            self._files.fsync(handle)
        finally:
            self._files.close(handle)
        tally, segment.first = Tally(), one.last + 1
        for record in records:
            if record.sequence > one.last:  # an earlier write that failed may have left the same record before
                one.last = record.sequence
                if record.sequence > one.acked:
                    tally += Tally(1, record.readings, record.end - record.start)
        segment.last = one.last
        one.segments.append(segment)
        one.left[segment.number] = tally
        one.epoch = max(one.epoch, segment.epoch)
