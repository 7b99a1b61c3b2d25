"""What an earlier run left in the outbox's folder, found again. Never refuses: what is damaged is counted and shown.

A torn tail (the last write of a crash, never accepted) is cut. Damage elsewhere (a flipped bit, a cut file, a lost
segment) loses the records it hits and makes a new epoch, so that no id comes back with another content.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from gateway.deliver.cursor import Age, Cursor, Position, read_cursor
from gateway.deliver.event import Class
from gateway.deliver.ledger import Tally
from gateway.deliver.segments import (
    HEADER_SIZE,
    MAGIC,
    VERSION,
    Found,
    Header,
    decode_header,
    scan,
)
from gateway.ops.files import Files
from gateway.sdk import Clock

_NONE: Final = Age(0, 0)
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
    thin: bool = False  # nothing is to be gained by thinning it


class Damage(NamedTuple):
    """Bytes from `start` to `end` of a file that hold no record; sequences between `after` and `before` may be lost."""

    name: str
    start: int
    end: int
    after: int
    before: int


@dataclass(slots=True)
class Remains:
    """One class as it was found: segments in order, what each still holds, and where its numbers go on."""

    segments: list[Segment] = field(default_factory=list)
    left: dict[int, Tally] = field(default_factory=dict)  # by segment number
    number: int = 0  # the highest that a file bears
    acked: int = 0
    last: int = 0  # highest sequence that was found, or is known to have been accepted
    skip: int = 0  # sequences that are not given again: a torn tail may have borne them
    floor: int = 0  # nor is any below
    epoch: int = 0  # the newest that was found
    torn: list[tuple[Path, int]] = field(default_factory=list)  # the newest file, and where to cut it; 0: remove it

    @property
    def following(self) -> int:
        """The sequence that the next record gets."""
        return max(self.last + self.skip + 1, self.floor)


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
    age: Age = _NONE  # the outbox's own time, to go on from

    @property
    def damaged(self) -> bool:
        """Whether anything that had been accepted may be lost."""
        return bool(self.damages or self.errors)

    def damage(self, damage: Damage) -> None:
        """Count one."""
        self.damages.append(damage)
        self.lost_bytes += damage.end - damage.start


def recover(files: Files, folder: Path, clock: Clock) -> tuple[Recovery, dict[Class, Remains], int]:
    """Find everything again: what to show, each class, and the epoch to go on with."""
    recovery = Recovery()
    names, cursor = _look(files, folder, recovery)
    wall = clock.wall_ns() // 1_000_000
    recovery.age = cursor.age or Age(wall, wall)
    reader = _Reader(files, folder, clock.monotonic(), recovery)
    found = {cls: reader.read(cls, names, cursor.positions.get(cls, Position())) for cls in Class}
    known = max(cursor.epoch, *(one.epoch for one in found.values()))
    fresh = recovery.damaged or not known
    epoch = max(wall, known + 1) if fresh else known
    recovery.epoch, recovery.epoch_changed = f"{epoch:x}", bool(known) and fresh
    recovery.counts = {cls: sum(one.left.values(), Tally()) for cls, one in found.items()}
    return recovery, found, epoch


def _look(files: Files, folder: Path, recovery: Recovery) -> tuple[list[str], Cursor]:
    try:
        files.make_folder(folder)
        files.fsync_dir(folder)  # a killed process may have left names that a power cut would still take away
        names = sorted(files.names(folder))
        return names, read_cursor(files, folder)
    except OSError as error:
        recovery.errors.append(f"{folder}: {error}")
        return [], Cursor()


class _Reader:
    """Reads the segments of a class in order, cuts what is torn, and counts what is damaged."""

    def __init__(self, files: Files, folder: Path, now: float, recovery: Recovery) -> None:
        """`now`: on the monotonic clock."""
        self._files, self._folder, self._now, self._recovery = files, folder, now, recovery

    def read(self, cls: Class, names: Sequence[str], position: Position) -> Remains:
        """Everything of `cls`. `position` is what the cursor knew."""
        one = Remains(acked=position.acked, floor=position.floor)
        mine = [name for name in names if (match := _NAME.fullmatch(name)) and match[1] == cls]
        for name in mine:
            one.number = int(name[-16:-4])
            self._segment(one, self._folder / name, newest=name == mine[-1])
        if position.accepted > one.last:  # the cursor is written after the records it speaks of: they were here
            self._recovery.damage(Damage(cls, 0, 0, one.last, position.accepted + 1))
            one.last = position.accepted
        return one

    def _segment(self, one: Remains, path: Path, *, newest: bool) -> None:
        try:
            data = self._files.read(path, 0, self._files.size(path))
        except OSError as error:
            self._recovery.errors.append(f"{path.name}: {error}")
            return
        header = decode_header(data)
        if header is not None and header.version > VERSION:
            self._recovery.ignored.append(path.name)
            return
        records = list(scan(data, HEADER_SIZE if header else 0))
        self._check_previous(one, header)
        self._damages(path.name, data, header, records, one.last, newest=newest)
        end = records[-1].end if records else HEADER_SIZE
        if newest:
            self._torn(one, path, data, end)
            if not records:
                return
        segment = Segment(one.number, path, self._born(header), header.epoch if header else 0)
        segment.size = min(end, len(data)) if newest else len(data)
        self._enter(one, segment, records)

    def _born(self, header: Header | None) -> float:
        """When it was begun, on the monotonic clock: what the wall clock says now, or said then, ages nothing."""
        return self._now - self._recovery.age.of(header.created_ms) / 1000 if header else self._now

    def _check_previous(self, one: Remains, header: Header | None) -> None:
        """A segment knows the last sequence before it: an end that was cut off cleanly is seen by the next one."""
        before = one.segments[-1] if one.segments else None
        if header and before and before.number == one.number - 1 and one.last < header.previous:
            self._recovery.damage(Damage(before.path.name, before.size, before.size, one.last, header.previous + 1))

    def _damages(
        self,
        name: str,
        data: bytes,
        header: Header | None,
        records: Sequence[Found],
        last: int,
        *,
        newest: bool,
    ) -> None:
        """Count the bytes that belong to no record. Those at the end of the newest segment are its torn tail."""
        at = HEADER_SIZE if header else 0
        for record in records:
            if record.start > at:
                self._recovery.damage(Damage(name, at, record.start, last, record.sequence))
            at, last = record.end, record.sequence
        if at < len(data) and not newest:
            self._recovery.damage(Damage(name, at, len(data), last, last + 1))

    def _torn(self, one: Remains, path: Path, data: bytes, end: int) -> None:
        """Note the torn tail of the newest segment, and a newest segment without a record."""
        tail = data[end:]
        if tail or end <= HEADER_SIZE:
            one.torn.append((path, end if end > HEADER_SIZE else 0))
        self._recovery.torn_bytes += len(tail)
        # What is cut may have been accepted and sent, had a bit flipped in it: its numbers are not given again.
        one.skip = tail.count(MAGIC) + 1 if tail else 0

    def _enter(self, one: Remains, segment: Segment, records: Sequence[Found]) -> None:
        """Take the segment into the class. Its bytes may be in the page cache only, so they are made durable first."""
        try:
            handle = self._files.open_append(segment.path)
            try:
                self._files.fsync(handle)
            finally:
                self._files.close(handle)
        except OSError as error:
            self._recovery.errors.append(f"{segment.path.name}: {error}")
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
