"""Payloads read: what a host asks for. Bounded by what it is handed; what is no payload raises ValueError."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.deliver.sparkplug.wire import BYTES, EIGHT, FOUR, VARINT, Datatype, Property, Value

_LONGEST: Final = 10  # bytes of a varint
_MOST: Final = 1000  # metrics of a command that are read
_SIGNED: Final[dict[int, int]] = {Datatype.INT8: 32, Datatype.INT16: 32, Datatype.INT32: 32, Datatype.INT64: 64}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it was read. `value` is None where the metric is null, or of a kind that is not read."""

    name: str = ""
    alias: int | None = None
    timestamp: int | None = None
    datatype: int = 0
    historical: bool = False
    null: bool = False
    value: Value = None
    properties: dict[str, Property] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Payload:
    """One payload as it was read."""

    timestamp: int | None
    seq: int | None
    metrics: tuple[Metric, ...]


def read(data: bytes, most: int = _MOST) -> Payload:
    """What a payload holds. Raises ValueError when it is none, or has more than `most` metrics."""
    timestamp = seq = None
    metrics: list[Metric] = []
    for number, value in _fields(data):
        if number == 1 and isinstance(value, int):
            timestamp = value
        elif number == 3 and isinstance(value, int):  # noqa: PLR2004 - field numbers, here and below
            seq = value
        elif number == 2 and isinstance(value, bytes):  # noqa: PLR2004
            metrics.append(_metric(value))
            if len(metrics) > most:
                raise ValueError(f"more than {most} metrics")
    return Payload(timestamp, seq, tuple(metrics))


def _metric(data: bytes) -> Metric:
    found: dict[int, int | bytes] = dict(_fields(data))
    datatype = _whole(found, 4) or 0
    alias = _whole(found, 2)
    properties = found.get(9, b"")
    return Metric(
        name=_text(found.get(1, b"")),
        alias=alias,
        timestamp=_whole(found, 3),
        datatype=datatype,
        historical=bool(found.get(5, 0)),
        null=bool(found.get(7, 0)),
        value=None if found.get(7, 0) else _value(found, datatype, 10),
        properties=_properties(properties) if isinstance(properties, bytes) else {},
    )


def _properties(data: bytes) -> dict[str, Property]:
    keys: list[str] = []
    values: list[Property] = []
    for number, value in _fields(data):
        if number == 1:
            keys.append(_text(value))
        elif number == 2 and isinstance(value, bytes):  # noqa: PLR2004
            found = dict(_fields(value))
            datatype = _whole(found, 1) or 0
            values.append(Property(datatype, _value(found, datatype, 3)))
    if len(keys) != len(values):
        raise ValueError("a property set has as many keys as values")
    return dict(zip(keys, values, strict=True))


def _value(found: dict[int, int | bytes], datatype: int, base: int) -> Value:
    for place, value in enumerate(found.get(base + offset) for offset in range(7)):
        if value is None:
            continue
        if isinstance(value, int):
            return bool(value) if place == 4 else _signed(value, datatype)  # noqa: PLR2004 - boolean_value
        return _plain(place, value)
    return None


def _signed(value: int, datatype: int) -> int:
    bits = _SIGNED.get(datatype)
    if bits is None:
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _plain(place: int, value: bytes) -> Value:
    """What the bytes of a value field are: `place` counts from int_value."""
    if place == 2 and len(value) == struct.calcsize("f"):  # noqa: PLR2004 - float_value, double_value, string_value
        return float(struct.unpack("<f", value)[0])
    if place == 3 and len(value) == struct.calcsize("d"):  # noqa: PLR2004
        return float(struct.unpack("<d", value)[0])
    return _text(value) if place == 5 else value  # noqa: PLR2004


def _whole(found: dict[int, int | bytes], number: int) -> int | None:
    value = found.get(number)
    if isinstance(value, bytes):
        raise ValueError(f"field {number} is to be a number")  # noqa: TRY004 - as below
    return value


def _text(value: int | bytes) -> str:
    if not isinstance(value, bytes):
        raise ValueError("a text is to be bytes")  # noqa: TRY004 - what is read is wrong, not what was called
    return value.decode()  # UnicodeDecodeError is a ValueError


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field: an int of a varint, bytes of everything else."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _read_varint(data, at)
            yield key >> 3, value
            continue
        if kind == BYTES:
            length, at = _read_varint(data, at)
        else:
            length = {EIGHT: 8, FOUR: 4}.get(kind, -1)
        if length < 0 or at + length > len(data):
            raise ValueError(f"byte {at}: {'cut off' if length >= 0 else f'wire type {kind}'}")
        yield key >> 3, data[at : at + length]
        at += length


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at : at + _LONGEST]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - no byte follows
            return value & 0xFFFFFFFFFFFFFFFF, at + place + 1
    raise ValueError(f"byte {at}: no varint")
