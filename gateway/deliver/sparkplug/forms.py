"""The form of a metric: its bytes, with the places of what changes. Every part has a fixed width.

Whole numbers are varints padded with empty groups to their width, as every Protocol Buffers reader takes them.
`is_historical` comes first, so that it is found without reading the rest.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.deliver.sparkplug.catalog import QUALITY_BAD, QUALITY_STALE
from gateway.deliver.sparkplug.wire import Datatype, bytes_field, number_field

Bytes = NDArray[np.uint8]

ALIAS, TIME, CODE, INT, LONG = 5, 6, 5, 5, 10  # bytes of varints; a time lasts until the year 2109
GOOD, DOUBTFUL, NULL = 0, 1, 2  # what is said: the value; value and quality; no value, and quality
IN_INT: Final = {Datatype.INT8, Datatype.INT16, Datatype.INT32, Datatype.UINT8, Datatype.UINT16}


class Place(NamedTuple):
    """Where a part stands in a metric."""

    start: int
    width: int

    def of(self, block: Bytes) -> Bytes:
        """The part in each row of `block`."""
        return block[:, self.start : self.start + self.width]


@dataclass(frozen=True, slots=True)
class Form:
    """A metric with all that does not change, and the places of what does; `value` has width 0 where there is none."""

    pattern: Bytes
    alias: Place
    time: Place
    value: Place
    code: Place


@cache
def form(datatype: int, said: int, told: bool) -> Form:  # noqa: FBT001 - a key of the cache
    """The form of a metric; with `told` the datatype stands in it."""
    body = bytearray(b"\x28\x00\x10")
    alias = _grow(body, ALIAS)
    body += b"\x18"
    time = _grow(body, TIME)
    if told:
        body += number_field(4, datatype)
    key, width = _value_part(datatype) if said != NULL else (b"\x38\x01", 0)
    body += key
    value = _grow(body, width)
    code = Place(0, 0)
    if said != GOOD:
        part, at = _quality_part(QUALITY_BAD if said == NULL else QUALITY_STALE)
        code = Place(len(body) + at, CODE)
        body += part
    places = [Place(place.start + 2, place.width) for place in (alias, time, value, code)]
    return Form(np.frombuffer(bytes_field(2, bytes(body)), np.uint8), *places)


def padded(numbers: NDArray[np.integer[Any]], width: int) -> Bytes:
    """Each of n `numbers` as a varint of `width` bytes, u1[n, width]; negative ones as two's complement."""
    groups = numbers.astype(np.int64).view(np.uint64)[:, np.newaxis] >> (7 * np.arange(width, dtype=np.uint64))
    out: Bytes = (groups & 0x7F).astype(np.uint8)
    out[:, :-1] |= 0x80
    return out


def _value_part(datatype: int) -> tuple[bytes, int]:
    """Key of the value's field, and how wide the value is."""
    if datatype == Datatype.DOUBLE:
        return b"\x69", 8
    if datatype == Datatype.FLOAT:
        return b"\x65", 4
    if datatype == Datatype.BOOLEAN:
        return b"\x70", 1
    return (b"\x50", INT) if datatype in IN_INT else (b"\x58", LONG)


def _quality_part(quality: int) -> tuple[bytes, int]:
    """Properties Quality and StatusCode, and where the code stands in them."""
    keys = bytes_field(1, b"Quality") + bytes_field(1, b"StatusCode")
    first = bytes_field(2, number_field(1, Datatype.INT32) + number_field(3, quality))
    second = bytes_field(2, number_field(1, Datatype.INT64) + b"\x20" + b"\x80" * (CODE - 1) + b"\x00")
    part = bytes_field(9, keys + first + second)
    return part, len(part) - CODE


def _grow(body: bytearray, width: int) -> Place:
    place = Place(len(body), width)
    body += bytes(width)
    return place
