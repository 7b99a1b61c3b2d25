"""The wire format of protobuf (protobuf.dev, Encoding), read in bounds: enough to look into a stranger's file."""

from collections.abc import Iterator
from typing import Final

_VARINT: Final = 0
_FIXED: Final = {1: 8, 5: 4}  # bytes by wire type
_LENGTH: Final = 2


class WireError(ValueError):
    """The bytes are no protobuf message."""


def fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field of a message: an int, or the bytes of what has a length."""
    at, end = 0, len(content)
    while at < end:
        key, at = _varint(content, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(content, at)
            yield number, value
            continue
        if wire == _LENGTH:
            size, at = _varint(content, at)
        elif (size := _FIXED.get(wire, -1)) < 0:
            raise WireError(f"wire type {wire} at byte {at}")
        if not 0 <= size <= end - at:
            raise WireError(f"a field of {size} bytes where {end - at} are left")
        yield number, content[at : at + size]
        at += size


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """A number and where it ends; 64 bits, two's complement."""
    value = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the top bit says that more follow
            value &= (1 << 64) - 1
            return value - (1 << 64) if value >> 63 else value, at
    raise WireError("a number of more than 64 bits")


def packed(content: memoryview) -> Iterator[int]:
    """The numbers of a packed field."""
    at = 0
    while at < len(content):
        value, at = _varint(content, at)
        yield value
