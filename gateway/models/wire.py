"""The wire format of protobuf (protobuf.dev, Encoding): read in bounds, to look into a stranger's file, and written."""

from collections.abc import Iterable, Iterator
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


# -- written -----------------------------------------------------------------------------------------------------------


def number(field: int, value: int) -> bytes:
    """A field that is a number of 0 or greater."""
    return _encoded(field << 3 | _VARINT) + _encoded(value)


def message(field: int, content: bytes) -> bytes:
    """A field that is bytes, text, or a message of its own."""
    return _encoded(field << 3 | _LENGTH) + _encoded(len(content)) + content


def packed_numbers(field: int, values: Iterable[int]) -> bytes:
    """A packed field of numbers of 0 or greater."""
    return message(field, b"".join(map(_encoded, values)))


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte, the top one says that more follow
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
