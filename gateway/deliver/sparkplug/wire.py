"""Protocol Buffers as far as Sparkplug B needs them, written by field number (Sparkplug 3.0 §6.4.1)."""

import struct
from enum import IntEnum
from typing import Final, NamedTuple

Value = int | float | bool | str | bytes | None

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5  # wire types


class Datatype(IntEnum):
    """Datatypes that the gateway sends, or is asked to write (§6.4.16).

    UInt32 is read and never sent: some hosts look for it in another field than the specification says.
    """

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12


_AS_LONG: Final = {Datatype.INT64, Datatype.UINT32, Datatype.UINT64}


class Property(NamedTuple):
    """One property of a metric."""

    datatype: int
    value: Value


def varint(number: int) -> bytes:
    """`number`, 0 ≤ number < 2**64, seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - what seven bits hold
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def number_field(number: int, value: int) -> bytes:
    """A field that holds a whole number."""
    return varint(number << 3 | VARINT) + varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """A field that holds bytes, a text or a message."""
    return varint(number << 3 | BYTES) + varint(len(value)) + value


def value_field(datatype: int, value: float | str, base: int = 10) -> bytes:
    """The value of a metric, or of a property with `base` 3: the fields of both run in the same order."""
    if datatype == Datatype.STRING:
        return bytes_field(base + 5, str(value).encode("utf-8", "replace"))
    if datatype == Datatype.BOOLEAN:
        return number_field(base + 4, int(bool(value)))
    if datatype == Datatype.DOUBLE:
        return varint(base + 3 << 3 | EIGHT) + struct.pack("<d", value)
    if datatype == Datatype.FLOAT:
        return varint(base + 2 << 3 | FOUR) + struct.pack("<f", value)
    if datatype in _AS_LONG:
        return number_field(base + 1, int(value) & 0xFFFFFFFFFFFFFFFF)
    return number_field(base, int(value) & 0xFFFFFFFF)


def property_set(properties: dict[str, Property]) -> bytes:
    """Field 9 of a metric: keys and values, as many of the one as of the other."""
    keys = b"".join(bytes_field(1, key.encode()) for key in properties)
    values = b"".join(
        bytes_field(2, number_field(1, one.datatype) + value_field(one.datatype, one.value, base=3))  # type: ignore[arg-type]
        for one in properties.values()
    )
    return bytes_field(9, keys + values)


def metric(name: str, timestamp: int, datatype: int, value: float | str | None, *, alias: int | None = None) -> bytes:
    """A metric with its name, ready to stand in a payload."""
    body = bytes_field(1, name.encode())
    if alias is not None:
        body += number_field(2, alias)
    body += number_field(3, timestamp) + number_field(4, datatype)
    return bytes_field(2, body + (number_field(7, 1) if value is None else value_field(datatype, value)))


def payload(timestamp: int, metrics: bytes, seq: int | None) -> bytes:
    """A payload around `metrics`, as they are. Fields may stand in any order, so `seq` is given when it is sent."""
    head = number_field(1, timestamp)
    return head + metrics if seq is None else head + metrics + number_field(3, seq)
