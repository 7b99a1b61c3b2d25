"""How far the broker has acknowledged, and the outbox's own time, on disk.

Written rarely: an old cursor only makes a restart send more again.

file = magic 8 · version u2 · epoch u8 · (acked u8 · accepted u8 · floor u8) per class · crc32 u4
       age     = now u8 · since u8 · crc32 u4

`age` came later: a version without it reads the part before, and leaves no age behind.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.deliver.event import Class
from gateway.deliver.segments import checksum
from gateway.ops.files import Files

_MAGIC: Final = b"\xf5FGCUR\r\xff"
_FORMAT: Final = struct.Struct(f"<8sHQ{3 * len(Class)}Q")
_CRC: Final = struct.Struct("<I")
_AGE: Final = struct.Struct("<QQ")
_VERSION: Final = 1
_SIZE: Final = _FORMAT.size + _CRC.size  # without the age
NAME: Final = "cursor"


class Position(NamedTuple):
    """Of one class: all up to `acked` is settled, `accepted` was made durable, nothing below `floor` is given again."""

    acked: int = 0
    accepted: int = 0
    floor: int = 0


class Age(NamedTuple):
    """The outbox's own time, in ms: it goes on only while a gateway runs, so no clock that is set ages anything.

    `now` is what it was when the cursor was written, `since` when it began. Headers of segments bear it as `created`.
    """

    now: int
    since: int

    def of(self, created: int) -> int:
        """How old a segment is, ms. One that bears wall time, of a version before, is at most as old as this time."""
        return max(0, self.now - max(created, self.since))


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where every class stands."""

    epoch: int = 0
    positions: dict[Class, Position] = field(default_factory=dict)
    age: Age | None = field(default=None, compare=False)


def read_cursor(files: Files, folder: Path) -> Cursor:
    """The cursor; an empty one where there is none, or it is damaged: then everything on disk is sent again."""
    try:
        data = files.read(folder / NAME, 0, _SIZE + _AGE.size + _CRC.size)
    except FileNotFoundError:
        return Cursor()
    return _decode(data) or Cursor()


def write_cursor(files: Files, folder: Path, cursor: Cursor) -> None:
    """Replace the cursor in one step. Raises OSError; the old one is then still there."""
    fresh = folder / f"{NAME}.new"
    handle = files.open_append(fresh)
    try:
        if files.size(fresh):  # a crash left it behind
            files.truncate(fresh, 0)
        files.append(handle, _encode(cursor))
        files.fsync(handle)
    finally:
        files.close(handle)
    files.rename(fresh, folder / NAME)
    files.fsync_dir(folder)


def _encode(cursor: Cursor) -> bytes:
    numbers = [number for cls in Class for number in cursor.positions.get(cls, Position())]
    age = _sealed(_AGE.pack(*cursor.age)) if cursor.age else b""
    return _sealed(_FORMAT.pack(_MAGIC, _VERSION, cursor.epoch, *numbers)) + age


def _decode(data: bytes) -> Cursor | None:
    found = _opened(data[:_SIZE], _FORMAT)
    if found is None or found[:2] != (_MAGIC, _VERSION):
        return None
    _, _, epoch, *numbers = found
    triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    age = _opened(data[_SIZE:], _AGE)
    positions = {cls: Position(*triple) for cls, triple in zip(Class, triples, strict=True)}
    return Cursor(epoch, positions, Age(*age) if age else None)


def _sealed(data: bytes) -> bytes:
    return data + _CRC.pack(checksum(data))


def _opened(data: bytes, form: struct.Struct) -> tuple[Any, ...] | None:
    """What `data` holds; None when it is short or damaged."""
    if len(data) != form.size + _CRC.size or checksum(data[: form.size]) != _CRC.unpack_from(data, form.size)[0]:
        return None
    return form.unpack_from(data)
