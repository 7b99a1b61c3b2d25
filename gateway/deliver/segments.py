"""How records lie in a segment file, and how they are found again. Pure: bytes in, bytes out.

    file    = header · record*
    header  = magic 8 · version u2 · epoch u8 · created u8 (ms; see cursor.Age) · previous u8 (last sequence) · crc32 u4
    record  = magic 4 · length u4 · crc32 u4 · [sequence u8 · readings u4 · topic length u2 · topic · body]

Little-endian. `length` and `crc32` are those of the part in brackets. A flipped bit loses the record it hits and no
other: the next one is found by its magic, whose bytes F5 and FF never occur in UTF-8 (RFC 3629 §1), so that no topic
and no JSON body can be taken for a record.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple
from zlib import crc32

VERSION: Final = 1
MAGIC: Final = b"\xf5FG\xff"
FILE_MAGIC: Final = b"\xf5FGSEG\r\xff"
_FRONT: Final = struct.Struct("<4sII")
_FIXED: Final = struct.Struct("<QIH")
_HEADER: Final = struct.Struct("<8sHQQQ")
_CRC: Final = struct.Struct("<I")

HEADER_SIZE: Final = _HEADER.size + _CRC.size
RECORD_SIZE: Final = _FRONT.size + _FIXED.size  # without topic and body


class Header(NamedTuple):
    """What a segment file says of itself."""

    epoch: int
    created_ms: int
    previous: int
    version: int = VERSION


class Found(NamedTuple):
    """A whole record in a segment: where it starts and ends, where its body starts, and what it says."""

    start: int
    body: int
    end: int
    sequence: int
    readings: int


def encode_header(header: Header) -> bytes:
    """The first bytes of a segment file."""
    packed = _HEADER.pack(FILE_MAGIC, header.version, header.epoch, header.created_ms, header.previous)
    return packed + _CRC.pack(checksum(packed))


def decode_header(data: bytes) -> Header | None:
    """The header that `data` starts with; None when it is short or damaged."""
    if len(data) < HEADER_SIZE or not data.startswith(FILE_MAGIC):
        return None
    if checksum(data[: _HEADER.size]) != _CRC.unpack_from(data, _HEADER.size)[0]:
        return None
    _, version, epoch, created_ms, previous = _HEADER.unpack_from(data)
    return Header(epoch, created_ms, previous, version)


def encode(sequence: int, readings: int, topic: bytes, body: bytes) -> tuple[bytes, bytes]:
    """One record, as two parts to be written one after the other."""
    head = _FIXED.pack(sequence, readings, len(topic)) + topic
    return _FRONT.pack(MAGIC, len(head) + len(body), checksum(body, checksum(head))) + head, body


def scan(data: bytes, start: int = 0) -> Iterator[Found]:
    """Every whole record from `start` on, in the order of the file; what is damaged is passed over."""
    view = memoryview(data)
    at = data.find(MAGIC, start)
    while at >= 0:
        found = _record(view, at)
        if found is not None:
            yield found
        at = data.find(MAGIC, at + 1 if found is None else found.end)


def topic_of(data: bytes, found: Found) -> str:
    """The topic of the record at `found`."""
    return data[found.start + RECORD_SIZE : found.body].decode()


def checksum(data: bytes | memoryview, before: int = 0) -> int:
    """CRC-32 (ISO 3309), continued from `before`."""
    return crc32(data, before)


def _record(view: memoryview, at: int) -> Found | None:
    """The record that starts at `at`; None when it is cut off or damaged."""
    if len(view) - at < RECORD_SIZE:
        return None
    _, length, crc = _FRONT.unpack_from(view, at)
    end = at + _FRONT.size + length
    if length < _FIXED.size or end > len(view) or checksum(view[at + _FRONT.size : end]) != crc:
        return None
    sequence, readings, topic = _FIXED.unpack_from(view, at + _FRONT.size)
    body = at + RECORD_SIZE + topic
    return Found(at, body, end, sequence, readings) if body <= end else None
