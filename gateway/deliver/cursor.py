"""How far the broker has acknowledged, on disk. Written rarely: an old cursor only makes a restart send more again.

file = magic 8 · version u2 · epoch u8 · (acked u8 · accepted u8 · floor u8) per class · crc32 u4
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from gateway.deliver.event import Class
from gateway.deliver.segments import checksum
from gateway.ops.files import Files

_MAGIC: Final = b"\xf5FGCUR\r\xff"
_FORMAT: Final = struct.Struct(f"<8sHQ{3 * len(Class)}Q")
_CRC: Final = struct.Struct("<I")
_VERSION: Final = 1
NAME: Final = "cursor"


class Position(NamedTuple):
    """Of one class: all up to `acked` is settled, `accepted` was made durable, nothing below `floor` is given again."""

    acked: int = 0
    accepted: int = 0
    floor: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where every class stands."""

    epoch: int = 0
    positions: dict[Class, Position] = field(default_factory=dict)


def read_cursor(files: Files, folder: Path) -> Cursor:
    """The cursor; an empty one where there is none, or it is damaged: then everything on disk is sent again."""
    try:
        data = files.read(folder / NAME, 0, _FORMAT.size + _CRC.size)
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
    data = _FORMAT.pack(_MAGIC, _VERSION, cursor.epoch, *numbers)
    return data + _CRC.pack(checksum(data))


def _decode(data: bytes) -> Cursor | None:
    if (
        len(data) != _FORMAT.size + _CRC.size
        or checksum(data[: _FORMAT.size]) != _CRC.unpack_from(data, _FORMAT.size)[0]
    ):
        return None
    magic, version, epoch, *numbers = _FORMAT.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        return None
    triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    return Cursor(epoch, {cls: Position(*triple) for cls, triple in zip(Class, triples, strict=True)})
